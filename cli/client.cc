#include "cli/client.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/http/field.hpp>
#include <exception>
#include <optional>

#include "common/network/http_exchange.h"
#include "common/network/http_text.h"

namespace tutti::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using network::HttpAnswer;
using network::HttpRequest;

// For a connection with its handshake, and for an answer that needs no work: a coordinator that takes longer is halted,
// or as good as that.
constexpr std::string_view kHealth = "/healthz";
constexpr Duration kSignOfLife = std::chrono::seconds(10);
constexpr uint64_t kLargestAnswer = uint64_t{1} << 30;  // a log may be long

asio::awaitable<Result<HttpAnswer>> Converse(asio::io_context& io, const HttpRequest& request,
                                             const network::Peer& peer, Duration deadline) {
  auto stream = co_await network::Connect(io, peer, std::min(deadline, kSignOfLife));
  if (!stream) co_return tl::unexpected<Error>(std::move(stream.error()));
  const Duration first = request.target() == kHealth ? std::min(deadline, kSignOfLife) : deadline;
  co_return co_await network::Talk(*stream, request, peer, {first, deadline, kLargestAnswer});
}

Result<std::string> TextAt(const Json& json, const char* key) {
  if (json.is_object() && json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
  return Fail(ErrorCode::kInvalid, "the coordinator's answer lacks '{}': {}", key, json.dump());
}

}  // namespace

Result<std::string> Client::Ask(const std::string& method, const std::string& target, std::string body) const {
  HttpRequest request = network::RequestTo(peer_, method, target, std::move(body));
  request.keep_alive(false);
  if (!request.body().empty()) request.set(http::field::content_type, "application/json");
  std::optional<Result<HttpAnswer>> response;
  try {
    asio::io_context io(1);
    asio::co_spawn(io, Converse(io, request, peer_, deadline_),
                   [&](const std::exception_ptr& thrown, Result<HttpAnswer> answer) {
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
  TUTTI_ASSIGN_OR_RETURN(const Json json, AskJson("GET", std::string(kHealth), nullptr));
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
  const auto answer = Ask("GET", std::string(kHealth), "");
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

Result<Json> Client::Ensemble(const std::string& id) const {
  return AskJson("GET", network::EnsembleTarget(id), nullptr);
}

Result<std::string> Client::Why(const std::string& id, const std::string& member) const {
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("GET", network::MemberTarget(id, member) + "/why", nullptr));
  return TextAt(answer, "reason");
}

Result<std::string> Client::Log(const std::string& id, const std::string& member, std::optional<int> attempt,
                                uint64_t offset) const {
  const std::string which = attempt ? fmt::format("&attempt={}", *attempt) : "";
  return Ask("GET", fmt::format("{}/log?offset={}{}", network::MemberTarget(id, member), offset, which), "");
}

Result<Client::Submitted> Client::Submit(const Submission& submission) const {
  Json body = {{"experiment", submission.experiment},
               {"new", submission.again == Again::kStartAnother},
               {"source", submission.source}};
  for (const auto& [path, hash] : submission.files) body["files"][path.string()] = hash;
  if (!submission.key.empty()) body["key"] = submission.key;
  if (submission.priority) body["priority"] = *submission.priority;
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
  TUTTI_RETURN_IF_ERROR(AskJson("POST", network::EnsembleTarget(id) + "/priority", {{"priority", priority}}));
  return {};
}

Result<void> Client::Cancel(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", network::EnsembleTarget(id) + "/cancel", ""));
  return {};
}

Result<void> Client::Resume(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", network::EnsembleTarget(id) + "/resume", ""));
  return {};
}

Result<void> Client::Remove(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("DELETE", network::EnsembleTarget(id), ""));
  return {};
}

}  // namespace tutti::cli
