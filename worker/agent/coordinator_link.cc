#include "worker/agent/coordinator_link.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/websocket/error.hpp>
#include <exception>
#include <optional>
#include <random>
#include <utility>

#include "common/network/websocket_channel.h"

namespace tutti::worker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using network::WebSocket;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// Those that trying again does not cure.
bool IsFinal(const Error& error) { return error.code == ErrorCode::kDenied || error.code == ErrorCode::kInvalid; }

// Nobody there, and somebody who does not answer, come to the same.
ErrorCode KindOf(const Error& error) {
  return error.code == ErrorCode::kTimeout ? ErrorCode::kUnreachable : error.code;
}

Error WhyDeclined(const network::Peer& coordinator, http::status status) {
  const int number = static_cast<int>(status);
  if (status == http::status::unauthorized || status == http::status::forbidden) {
    return {ErrorCode::kDenied,
            fmt::format("{} does not let this worker in ({}): it wants the operator's token",
                        network::NameOf(coordinator), number),
            nullptr};
  }
  if (number >= 500) {
    return {ErrorCode::kUnreachable, fmt::format("{} is busy ({})", network::NameOf(coordinator), number), nullptr};
  }
  return {ErrorCode::kInvalid,
          fmt::format("{} takes no workers ({}): is it of this release?", network::NameOf(coordinator), number),
          nullptr};
}

}  // namespace

class CoordinatorLink::Impl {
 public:
  Impl(asio::io_context& io, LinkOptions options, Handlers handlers)
      : io_(io), options_(std::move(options)), handlers_(std::move(handlers)) {}

  asio::awaitable<void> Run() {
    Duration backoff = options_.first_backoff;
    while (true) {
      auto socket = co_await Connect();
      if (socket) {
        backoff = options_.first_backoff;
        if (std::exchange(was_connected_, true)) Say(fmt::format("connected to {} again", name_));
        trouble_.reset();
        co_await Serve(std::move(*socket));
        if (stopped_) co_return stopped_();
        there_until_ = Clock::now();
        Say(fmt::format("the connection to {} is lost; trainers go on, and it is looked for", name_));
        trouble_ = ErrorCode::kUnreachable;
      } else if (IsFinal(socket.error()) && !was_connected_) {
        // Once it was let in, what answers now may be somebody else: it may yet come back.
        handlers_.give_up(std::move(socket.error()));
        co_return;
      } else if (const ErrorCode kind = KindOf(socket.error()); std::exchange(trouble_, kind) != kind) {
        Say(fmt::format("{}; it is tried again", socket.error().Text()));
      }
      if (options_.longest_absence && Clock::now() - there_until_ >= *options_.longest_absence) {
        handlers_.give_up(WhyGivenUp());
        co_return;
      }
      co_await Wait(backoff);
      backoff = std::min(2 * backoff, options_.longest_backoff);
    }
  }

  void Stop(std::function<void()> done) {
    if (!serving_) return done();
    stopped_ = std::move(done);
  }

 private:
  using Clock = std::chrono::steady_clock;

  Error WhyGivenUp() const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*options_.longest_absence).count();
    return {ErrorCode::kUnreachable, fmt::format("{} has been away for {} s", name_, seconds), nullptr};
  }

  asio::awaitable<Result<WebSocket>> Connect() {
    auto stream = co_await network::Connect(io_, options_.coordinator, options_.connect_deadline);
    if (!stream) co_return tl::unexpected<Error>(std::move(stream.error()));
    co_return co_await ShakeHands(WebSocket(std::move(*stream)));
  }

  asio::awaitable<Result<WebSocket>> ShakeHands(WebSocket socket) {
    network::SetLimits(socket);
    socket.set_option(beast::websocket::stream_base::decorator([this](beast::websocket::request_type& request) {
      request.set(http::field::authorization, "Bearer " + network::TokenOf(options_.coordinator));
    }));
    beast::websocket::response_type answer;
    const auto [error] = co_await socket.async_handshake(answer, network::AuthorityOf(options_.coordinator),
                                                         std::string(network::kWorkerRoute), kTuple);
    if (error == beast::websocket::error::upgrade_declined) {
      co_return tl::unexpected<Error>(WhyDeclined(options_.coordinator, answer.result()));
    }
    if (error) {
      co_return Fail(ErrorCode::kUnreachable, "{} does not take this worker: {}", name_, error.message());
    }
    co_return std::move(socket);
  }

  // Until the connection is over.
  asio::awaitable<void> Serve(WebSocket socket) {
    asio::steady_timer over(io_, asio::steady_timer::time_point::max());
    serving_ = true;
    handlers_.attach(network::MakeWebSocketChannel(std::move(socket), handlers_.post, [&over] { over.cancel(); }));
    co_await over.async_wait(kTuple);
    serving_ = false;
  }

  void Say(const std::string& what) {
    spdlog::warn("{}", what);
    options_.tell(what);
  }

  // Of many workers that lost one coordinator not all come back at once.
  asio::awaitable<void> Wait(Duration longest) {
    std::uniform_int_distribution<Duration::rep> part(longest.count() / 2, longest.count());
    asio::steady_timer timer(io_, Duration(part(random_)));
    co_await timer.async_wait(kTuple);
  }

  asio::io_context& io_;
  const LinkOptions options_;
  const std::string name_ = network::NameOf(options_.coordinator);
  const Handlers handlers_;
  std::mt19937 random_{std::random_device{}()};
  std::optional<ErrorCode> trouble_;  // what was said last, while there is no connection
  bool was_connected_ = false;        // at least once
  bool serving_ = false;
  Clock::time_point there_until_ = Clock::now();
  std::function<void()> stopped_;
};

CoordinatorLink::CoordinatorLink(asio::io_context& io, LinkOptions options, Handlers handlers)
    : impl_(std::make_unique<Impl>(io, std::move(options), std::move(handlers))) {
  asio::co_spawn(io, impl_->Run(), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
}

void CoordinatorLink::Stop(std::function<void()> done) { impl_->Stop(std::move(done)); }

CoordinatorLink::~CoordinatorLink() = default;

}  // namespace tutti::worker
