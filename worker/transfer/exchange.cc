#include "worker/transfer/exchange.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/http/field.hpp>
#include <exception>
#include <mutex>
#include <utility>

#include "common/network/http_exchange.h"
#include "common/network/http_text.h"
#include "common/network/stream.h"

namespace tutti::worker {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Message = network::HttpRequest;
using Answer = network::HttpAnswer;

constexpr uint64_t kLargestAnswer = 16 << 20;  // the coordinator's longest piece of a file

Message MessageOf(const network::Peer& peer, const Exchange::Request& request) {
  Message message = network::RequestTo(peer, request.method, request.target, request.body);
  if (request.range) {
    message.set(http::field::range,
                fmt::format("bytes={}-{}", request.range->first, request.range->first + request.range->length - 1));
  }
  if (!request.body.empty()) message.set(http::field::content_type, "application/octet-stream");
  return message;
}

// What went wrong with the coordinator itself, or with what stands before it, may go better the next time.
Error WhyNot(const Answer& answer) {
  const int status = static_cast<int>(answer.result_int());
  Error error = network::ProblemOf(status, answer.body());
  if (status >= 500 && error.code != ErrorCode::kNoSpace) error.code = ErrorCode::kUnreachable;
  return error;
}

}  // namespace

class Exchange::Impl {
 public:
  Impl(network::Peer peer, Duration deadline) : peer_(std::move(peer)), deadline_(deadline) {}

  Result<std::string> Ask(const Request& request) {
    const Message message = MessageOf(peer_, request);
    const bool used_before = stream_.has_value();
    Result<Answer> answer = Run(message);
    // A connection that nothing crossed for a while has been closed.
    if (!answer && used_before && answer.error().code == ErrorCode::kUnreachable) answer = Run(message);
    if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
    if (answer->result_int() < 400) return std::move(answer->body());
    return tl::unexpected<Error>(WhyNot(*answer));
  }

  void Disconnect() { stream_.reset(); }

  void Cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    io_.stop();
  }

 private:
  Result<Answer> Run(const Message& message) {
    {
      const std::lock_guard lock(mutex_);
      if (cancelled_) return Cancelled();
      io_.restart();
    }
    std::optional<Result<Answer>> outcome;
    try {
      asio::co_spawn(io_, Converse(message), [&](const std::exception_ptr& thrown, Result<Answer> answer) {
        if (thrown) std::rethrow_exception(thrown);
        outcome = std::move(answer);
      });
      io_.run();
    } catch (const std::exception& error) {
      outcome = Fail(ErrorCode::kUnreachable, "asking {}: {}", network::NameOf(peer_), error.what());
    }
    if (!outcome) return Cancelled();
    if (!*outcome || !(*outcome)->keep_alive()) stream_.reset();
    return std::move(*outcome);
  }

  tl::unexpected<Error> Cancelled() const {
    return Fail(ErrorCode::kCancelled, "{} is asked no more", network::NameOf(peer_));
  }

  asio::awaitable<Result<Answer>> Converse(const Message& message) {
    if (!stream_) {
      auto connected = co_await network::Connect(io_, peer_, deadline_);
      if (!connected) co_return tl::unexpected<Error>(std::move(connected.error()));
      stream_.emplace(std::move(*connected));
    }
    co_return co_await network::Talk(*stream_, message, peer_, {deadline_, deadline_, kLargestAnswer});
  }

  const network::Peer peer_;
  const Duration deadline_;
  asio::io_context io_{1};
  std::optional<network::Stream> stream_;
  std::mutex mutex_;  // guards what follows, and that a stopped context is not begun again
  bool cancelled_ = false;
};

Exchange::Exchange(network::Peer peer, Duration deadline) : impl_(std::make_unique<Impl>(std::move(peer), deadline)) {}
Exchange::~Exchange() = default;

Result<std::string> Exchange::Ask(const Request& request) { return impl_->Ask(request); }
void Exchange::Disconnect() { impl_->Disconnect(); }
void Exchange::Cancel() { impl_->Cancel(); }

}  // namespace tutti::worker
