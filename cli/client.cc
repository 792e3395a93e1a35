#include "cli/client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <optional>
#include <tuple>

#include "cli/exchange.h"
#include "common/network/http_text.h"

namespace tutti::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using network::Stream;
using Response = http::response<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
// For a connection with its handshake, and for the first of an answer that needs no work: a coordinator that takes
// longer is halted, or as good as that.
constexpr Duration kSignOfLife = std::chrono::seconds(10);
constexpr uintmax_t kLeastRoom = uintmax_t{1} << 20;    // less is as good as none: a catalog grows by more at once
constexpr uint64_t kLargestAnswer = uint64_t{1} << 30;  // a log may be long

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
Error NoAnswer(const network::Peer& peer, const boost::system::error_code& error, Duration waited) {
  const std::string name = network::NameOf(peer);
  if (error == beast::error::timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
    return {ErrorCode::kTimeout,
            fmt::format("{} did not answer within {} s: it is halted or overloaded", name, seconds), nullptr};
  }
  const auto* remote = std::get_if<network::Remote>(&peer);
  if (remote != nullptr && !remote->address.tls) {
    return {ErrorCode::kUnreachable,
            fmt::format("{} ended while it was asked: {}; does it speak TLS? Then its address is https://{}", name,
                        error.message(), remote->address.Authority()),
            nullptr};
  }
  const auto* home = std::get_if<std::filesystem::path>(&peer);
  const std::string why = home != nullptr ? WhyItMayHaveEnded(*home) : "coordinator.log in its home may say why";
  return {ErrorCode::kUnreachable, fmt::format("{} ended while it was asked ({}); {}", name, error.message(), why),
          nullptr};
}

// Sends the request and reads the answer, both within the deadline; its head sooner, where nothing is to be done for
// it.
asio::awaitable<Result<Response>> Talk(Stream stream, const http::request<http::string_body>& request,
                                       const network::Peer& peer, Duration deadline) {
  const Duration first = request.method() == http::verb::get ? std::min(deadline, kSignOfLife) : deadline;
  stream.ExpiresAfter(first);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kLargestAnswer);
  auto [error, count] = co_await http::async_write(stream, request, kTuple);
  if (!error) std::tie(error, count) = co_await http::async_read_header(stream, buffer, parser, kTuple);
  if (error) co_return tl::unexpected<Error>(NoAnswer(peer, error, first));
  stream.ExpiresAfter(deadline);
  std::tie(error, count) = co_await http::async_read(stream, buffer, parser, kTuple);
  if (error) co_return tl::unexpected<Error>(NoAnswer(peer, error, deadline));
  co_return parser.release();
}

asio::awaitable<Result<Response>> Converse(asio::io_context& io, const http::request<http::string_body>& request,
                                           const network::Peer& peer, Duration deadline) {
  auto stream = co_await network::Connect(io, peer, std::min(deadline, kSignOfLife));
  if (!stream) co_return tl::unexpected<Error>(std::move(stream.error()));
  co_return co_await Talk(std::move(*stream), request, peer, deadline);
}

Result<std::string> TextAt(const Json& json, const char* key) {
  if (json.is_object() && json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
  return Fail(ErrorCode::kInvalid, "the coordinator's answer lacks '{}': {}", key, json.dump());
}

}  // namespace

Result<std::string> Client::Ask(const std::string& method, const std::string& target, std::string body) const {
  const auto request = RequestFor(peer_, method, target, std::move(body));
  std::optional<Result<Response>> response;
  try {
    asio::io_context io(1);
    asio::co_spawn(io, Converse(io, request, peer_, deadline_),
                   [&](const std::exception_ptr& thrown, Result<Response> answer) {
                     if (thrown) std::rethrow_exception(thrown);
                     response = std::move(answer);
                   });
    io.run();
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kIo, "asking {}: {}", network::NameOf(peer_), error.what());
  }
  if (!*response) return tl::unexpected<Error>(std::move(response->error()));
  if ((*response)->result_int() >= 400) {
    return tl::unexpected<Error>(network::ProblemOf(static_cast<int>((*response)->result_int()), (*response)->body()));
  }
  return (*response)->body();
}

Result<Json> Client::AskJson(const std::string& method, const std::string& target, const Json& body) const {
  TUTTI_ASSIGN_OR_RETURN(const std::string answer, Ask(method, target, body.is_null() ? "" : body.dump()));
  return answer.empty() ? Json(nullptr) : ParseJson(answer);
}

Result<Client::Health> Client::AskHealth() const {
  TUTTI_ASSIGN_OR_RETURN(const Json json, AskJson("GET", "/healthz", nullptr));
  Health health;
  TUTTI_ASSIGN_OR_RETURN(health.version, TextAt(json, "version"));
  TUTTI_ASSIGN_OR_RETURN(health.time, TextAt(json, "time"));
  return health;
}

Result<Client::Home> Client::FindHome() const {
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("GET", "/api/v1/home", nullptr));
  Home home;
  TUTTI_ASSIGN_OR_RETURN(home.path, TextAt(answer, "home"));
  TUTTI_ASSIGN_OR_RETURN(home.mark, TextAt(answer, "mark"));
  return home;
}

bool Client::Answers() const {
  const auto answer = Ask("GET", "/healthz", "");
  return answer || (answer.error().code != ErrorCode::kUnreachable && answer.error().code != ErrorCode::kTimeout);
}

Result<Json> Client::Workers() const { return AskJson("GET", "/api/v1/workers", nullptr); }

Result<void> Client::Drain(const std::string& worker, bool checkpoint) const {
  const std::string how = checkpoint ? "?checkpoint=true" : "";
  TUTTI_RETURN_IF_ERROR(
      Ask("POST", fmt::format("/api/v1/workers/{}/drain{}", network::EncodeUrlPart(worker), how), ""));
  return {};
}

Result<void> Client::Undrain(const std::string& worker) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", fmt::format("/api/v1/workers/{}/undrain", network::EncodeUrlPart(worker)), ""));
  return {};
}

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

Result<Client::Submitted> Client::Submit(const Json& experiment, const std::string& source, Again again,
                                         const std::string& key, std::optional<int> priority) const {
  Json body = {{"experiment", experiment}, {"new", again == Again::kStartAnother}, {"source", source}};
  if (!key.empty()) body["key"] = key;
  if (priority) body["priority"] = *priority;
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("POST", "/api/v1/ensembles", body));
  Submitted submitted;
  TUTTI_ASSIGN_OR_RETURN(submitted.id, TextAt(answer, "id"));
  TUTTI_ASSIGN_OR_RETURN(submitted.outcome, TextAt(answer, "outcome"));
  return submitted;
}

Result<Json> Client::CollectGarbage(bool dry_run) const {
  return AskJson("POST", dry_run ? "/api/v1/gc?dry_run=true" : "/api/v1/gc", nullptr);
}

Result<Json> Client::Plan(const Json& experiment, std::optional<int> priority) const {
  Json body = {{"experiment", experiment}};
  if (priority) body["priority"] = *priority;
  return AskJson("POST", "/api/v1/plan", body);
}

Result<void> Client::Prioritise(const std::string& id, int priority) const {
  TUTTI_RETURN_IF_ERROR(AskJson("POST", EnsembleTarget(id) + "/priority", {{"priority", priority}}));
  return {};
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
