#include "worker/launch/rank_protocol.h"

#include "common/json.h"

namespace tutti::worker {
namespace {

Result<Json> ParseMessage(std::string_view line) {
  TUTTI_ASSIGN_OR_RETURN(Json message, ParseJson(line, 8));
  if (!message.is_object() || !message.contains("version")) {
    return Fail(ErrorCode::kInvalid, "a rank's message has no version");
  }
  if (message["version"] != kRankProtocolVersion) {
    return Fail(ErrorCode::kInvalid, "rank and worker are of different versions of tutti ({} and {})",
                message["version"].dump(), kRankProtocolVersion);
  }
  return message;
}

Json NewMessage() {
  Json message = Json::object();
  message["version"] = kRankProtocolVersion;
  return message;
}

}  // namespace

std::string Encode(const RankHello& hello) {
  Json message = NewMessage();
  message["attempt"] = hello.attempt.str();
  message["rank"] = hello.rank;
  return message.dump();
}

std::string Encode(const RankOrders& orders) {
  Json message = NewMessage();
  message["arguments"] = orders.arguments;
  message["environment"] = orders.environment;
  message["cpus"] = orders.cpus;
  return message.dump();
}

std::string Encode(const RankStarted& started) {
  Json message = NewMessage();
  message["group"] = started.group;
  return message.dump();
}

std::string EncodeRefusal(const std::string& reason) {
  Json message = NewMessage();
  message["refused"] = reason;
  return message.dump();
}

Result<RankHello> DecodeRankHello(std::string_view line) {
  TUTTI_ASSIGN_OR_RETURN(const Json message, ParseMessage(line));
  try {
    TUTTI_ASSIGN_OR_RETURN(AttemptId attempt, ParseAttemptId(message.at("attempt").get<std::string>()));
    return RankHello{std::move(attempt), message.at("rank").get<int>()};
  } catch (const nlohmann::json::exception& error) {
    return Fail(ErrorCode::kInvalid, "a rank's greeting makes no sense: {}", error.what());
  }
}

Result<RankOrders> DecodeRankOrders(std::string_view line) {
  TUTTI_ASSIGN_OR_RETURN(const Json message, ParseMessage(line));
  try {
    if (message.contains("refused")) return Fail(ErrorCode::kDenied, "{}", message["refused"].get<std::string>());
    RankOrders orders{message.at("arguments").get<std::vector<std::string>>(),
                      message.at("environment").get<Environment>(), message.at("cpus").get<std::vector<int>>()};
    if (orders.arguments.empty()) return Fail(ErrorCode::kInvalid, "a worker's orders name no program");
    return orders;
  } catch (const nlohmann::json::exception& error) {
    return Fail(ErrorCode::kInvalid, "a worker's orders make no sense: {}", error.what());
  }
}

Result<RankStarted> DecodeRankStarted(std::string_view line) {
  TUTTI_ASSIGN_OR_RETURN(const Json message, ParseMessage(line));
  try {
    const RankStarted started{message.at("group").get<int>()};
    // To signal group 0 or 1 would hit this process, or all.
    if (started.group < 2) return Fail(ErrorCode::kInvalid, "{} is no group of processes", started.group);
    return started;
  } catch (const nlohmann::json::exception& error) {
    return Fail(ErrorCode::kInvalid, "a rank's start makes no sense: {}", error.what());
  }
}

}  // namespace tutti::worker
