#include "common/network/http_exchange.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>

namespace tutti::network {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

constexpr uintmax_t kLeastRoom = uintmax_t{1} << 20;  // less is as good as none: a catalog grows by more at once

// Where the disk is full the log does not say it.
std::string WhyItMayHaveEnded(const std::filesystem::path& home) {
  std::error_code error;
  const auto room = std::filesystem::space(home, error);
  if (!error && room.available < kLeastRoom) {
    return fmt::format("there is no space left for {}: make room, then start it again", home.string());
  }
  return fmt::format("{} may say why", (home / "coordinator.log").string());
}

// What came in place of an answer.
Error NoAnswer(const Peer& peer, const boost::system::error_code& error, Duration waited) {
  const std::string name = NameOf(peer);
  if (error == beast::error::timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
    return {ErrorCode::kTimeout,
            fmt::format("{} did not answer within {} s: it is halted or overloaded", name, seconds), nullptr};
  }
  const auto* remote = std::get_if<Remote>(&peer);
  if (remote != nullptr && !remote->address.tls) {
    return {
        ErrorCode::kUnreachable,
        fmt::format("{} ended while it was asked ({}): coordinator.log in its home may say why; if it speaks TLS its "
                    "address is https://{}",
                    name, error.message(), remote->address.Authority()),
        nullptr};
  }
  const auto* home = std::get_if<std::filesystem::path>(&peer);
  const std::string why = home != nullptr ? WhyItMayHaveEnded(*home) : "coordinator.log in its home may say why";
  return {ErrorCode::kUnreachable, fmt::format("{} ended while it was asked ({}); {}", name, error.message(), why),
          nullptr};
}

}  // namespace

HttpRequest RequestTo(const Peer& peer, const std::string& method, const std::string& target, std::string body) {
  HttpRequest request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, AuthorityOf(peer));
  if (const std::string token = TokenOf(peer); !token.empty()) {
    request.set(http::field::authorization, "Bearer " + token);
  }
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

asio::awaitable<Result<HttpAnswer>> Talk(Stream& stream, const HttpRequest& request, const Peer& peer,
                                         ExchangeLimits limits) {
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(limits.longest_answer);
  stream.ExpiresAfter(limits.head);
  auto [error, count] = co_await http::async_write(stream, request, kTuple);
  if (!error) std::tie(error, count) = co_await http::async_read_header(stream, buffer, parser, kTuple);
  if (error) co_return tl::unexpected<Error>(NoAnswer(peer, error, limits.head));
  stream.ExpiresAfter(limits.whole);
  std::tie(error, count) = co_await http::async_read(stream, buffer, parser, kTuple);
  if (error) co_return tl::unexpected<Error>(NoAnswer(peer, error, limits.whole));
  co_return parser.release();
}

}  // namespace tutti::network
