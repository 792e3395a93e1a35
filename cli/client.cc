#include "cli/client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <cctype>
#include <exception>
#include <optional>
#include <tuple>

#include "coordinator/server/home_socket.h"

namespace tutti::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using network::Stream;
using Response = http::response<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr uint64_t kLargestAnswer = uint64_t{1} << 30;  // a log may be long

asio::awaitable<Result<Stream>> ConnectToHome(asio::io_context& io, const std::filesystem::path& home,
                                              Duration deadline) {
  const auto nobody = [&] {
    return Fail(ErrorCode::kUnreachable,
                "no coordinator serves {}; `tutti coordinator` does until it is stopped, `tutti run` while it trains",
                home.string());
  };
  // Kept until the connection is there: the name may lead through it.
  const auto address = server::HomeSocketAddress::In(home);
  if (!address) co_return nobody();
  Stream stream(io, nullptr);
  stream.ExpiresAfter(deadline);
  const auto [error] = co_await stream.AsyncConnect(asio::local::stream_protocol::endpoint(address->path()), kTuple);
  if (error == asio::error::access_denied) {
    co_return Fail(ErrorCode::kDenied, "the coordinator of {} belongs to another user", home.string());
  }
  if (error) co_return nobody();
  co_return std::move(stream);
}

struct Place {
  const std::filesystem::path& home;
  const std::optional<network::Remote>& remote;
  Duration deadline;
  const std::string& name;
};

asio::awaitable<Result<Stream>> ConnectTo(asio::io_context& io, const Place& place) {
  if (place.remote) co_return co_await network::Connect(io, *place.remote, place.deadline);
  co_return co_await ConnectToHome(io, place.home, place.deadline);
}

// Sends the request and reads the answer, both within the deadline.
asio::awaitable<Result<Response>> Talk(Stream stream, const http::request<http::string_body>& request,
                                       const Place& place) {
  stream.ExpiresAfter(place.deadline);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kLargestAnswer);
  auto [error, count] = co_await http::async_write(stream, request, kTuple);
  if (!error) std::tie(error, count) = co_await http::async_read(stream, buffer, parser, kTuple);
  if (!error) co_return parser.release();
  if (error == beast::error::timeout) {
    co_return Fail(ErrorCode::kTimeout, "{} did not answer within {} s", place.name,
                   std::chrono::duration_cast<std::chrono::seconds>(place.deadline).count());
  }
  co_return Fail(ErrorCode::kUnreachable, "{} ended while it was asked: {}", place.name, error.message());
}

asio::awaitable<Result<Response>> Converse(asio::io_context& io, Place place,
                                           const http::request<http::string_body>& request) {
  auto stream = co_await ConnectTo(io, place);
  if (!stream) co_return tl::unexpected<Error>(std::move(stream.error()));
  co_return co_await Talk(std::move(*stream), request, place);
}

http::request<http::string_body> RequestFor(const std::string& method, const std::string& target, std::string body) {
  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "close");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

ErrorCode CodeNamed(std::string_view word) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    if (Name(static_cast<ErrorCode>(code)) == word) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

// An answer of application/problem+json as the error that it tells.
Error ProblemOf(const Response& response) {
  const auto problem = ParseJson(response.body());
  if (problem && problem->is_object() && problem->contains("title") && (*problem)["title"].is_string()) {
    const auto code = problem->find("code");
    return Error{
        code != problem->end() && code->is_string() ? CodeNamed(code->get<std::string>()) : ErrorCode::kInternal,
        (*problem)["title"].get<std::string>(), nullptr};
  }
  return Error{ErrorCode::kInternal, fmt::format("the coordinator answered {}", response.result_int()), nullptr};
}

std::string EnsembleTarget(const std::string& id) { return "/api/v1/ensembles/" + EncodeUrlPart(id); }

std::string MemberTarget(const std::string& id, const std::string& member) {
  return EnsembleTarget(id) + "/members/" + EncodeUrlPart(member);
}

Result<std::string> TextAt(const Json& json, const char* key) {
  if (json.is_object() && json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
  return Fail(ErrorCode::kInvalid, "the coordinator's answer lacks '{}': {}", key, json.dump());
}

}  // namespace

std::string EncodeUrlPart(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += unreserved ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

Result<std::string> Client::Ask(const std::string& method, const std::string& target, std::string body) const {
  auto request = RequestFor(method, target, std::move(body));
  if (remote_) {
    request.set(http::field::host, remote_->address.Authority());
    request.set(http::field::authorization, "Bearer " + remote_->token);
  }
  const std::string peer = remote_ ? fmt::format("the coordinator at {}", remote_->address.Text())
                                   : fmt::format("the coordinator of {}", home_.string());
  std::optional<Result<Response>> response;
  try {
    asio::io_context io(1);
    asio::co_spawn(io, Converse(io, {home_, remote_, deadline_, peer}, request),
                   [&](const std::exception_ptr& thrown, Result<Response> answer) {
                     if (thrown) std::rethrow_exception(thrown);
                     response = std::move(answer);
                   });
    io.run();
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kIo, "asking {}: {}", peer, error.what());
  }
  if (!*response) return tl::unexpected<Error>(std::move(response->error()));
  if ((*response)->result_int() >= 400) return tl::unexpected<Error>(ProblemOf(**response));
  return (*response)->body();
}

Result<Json> Client::AskJson(const std::string& method, const std::string& target, const Json& body) const {
  TUTTI_ASSIGN_OR_RETURN(const std::string answer, Ask(method, target, body.is_null() ? "" : body.dump()));
  return answer.empty() ? Json(nullptr) : ParseJson(answer);
}

Result<Client::Home> Client::FindHome() const {
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("GET", "/api/v1/home", nullptr));
  Home home;
  TUTTI_ASSIGN_OR_RETURN(home.path, TextAt(answer, "home"));
  TUTTI_ASSIGN_OR_RETURN(home.mark, TextAt(answer, "mark"));
  return home;
}

Result<Json> Client::Workers() const { return AskJson("GET", "/api/v1/workers", nullptr); }

Result<Json> Client::Ensembles() const { return AskJson("GET", "/api/v1/ensembles", nullptr); }

Result<Json> Client::Ensemble(const std::string& id) const { return AskJson("GET", EnsembleTarget(id), nullptr); }

Result<std::string> Client::Why(const std::string& id, const std::string& member) const {
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("GET", MemberTarget(id, member) + "/why", nullptr));
  return TextAt(answer, "reason");
}

Result<std::string> Client::Log(const std::string& id, const std::string& member, std::optional<int> attempt,
                                uint64_t offset) const {
  const std::string which = attempt ? fmt::format("&attempt={}", *attempt) : "";
  return Ask("GET", fmt::format("{}/log?offset={}{}", MemberTarget(id, member), offset, which), "");
}

Result<Client::Submitted> Client::Submit(const Json& experiment, const std::string& source, Again again) const {
  const Json body = {{"experiment", experiment}, {"new", again == Again::kStartAnother}, {"source", source}};
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("POST", "/api/v1/ensembles", body));
  Submitted submitted;
  TUTTI_ASSIGN_OR_RETURN(submitted.id, TextAt(answer, "id"));
  TUTTI_ASSIGN_OR_RETURN(submitted.outcome, TextAt(answer, "outcome"));
  return submitted;
}

Result<void> Client::Cancel(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", EnsembleTarget(id) + "/cancel", ""));
  return {};
}

Result<void> Client::Resume(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", EnsembleTarget(id) + "/resume", ""));
  return {};
}

Result<void> Client::Remove(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("DELETE", EnsembleTarget(id), ""));
  return {};
}

}  // namespace tutti::cli
