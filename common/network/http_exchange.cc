#include "common/network/http_exchange.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <tuple>
#include <utility>

namespace tutti::network {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

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
                                         Duration deadline, uint64_t longest_answer) {
  stream.ExpiresAfter(deadline);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(longest_answer);
  auto [error, count] = co_await http::async_write(stream, request, kTuple);
  if (!error) std::tie(error, count) = co_await http::async_read(stream, buffer, parser, kTuple);
  if (!error) co_return parser.release();
  if (error == beast::error::timeout) {
    co_return Fail(ErrorCode::kTimeout, "{} did not answer within {} s", NameOf(peer),
                   std::chrono::duration_cast<std::chrono::seconds>(deadline).count());
  }
  co_return Fail(ErrorCode::kUnreachable, "{} ended while it was asked: {}", NameOf(peer), error.message());
}

}  // namespace tutti::network
