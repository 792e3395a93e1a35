#include "cli/ranks/messages.h"

#include "common/json.h"
#include "common/network/secret.h"

namespace tutti::cli {
namespace {

Json NewMessage() { return {{"version", kMeetingVersion}}; }

Result<Json> ParseMessage(std::string_view text) {
  TUTTI_ASSIGN_OR_RETURN(Json message, ParseJson(text, 8));
  if (!message.is_object() || !message.contains("version")) {
    return Fail(ErrorCode::kInvalid, "what a rank says has no version");
  }
  if (message["version"] != kMeetingVersion) {
    return Fail(ErrorCode::kInvalid,
                "the ranks are of different versions of tutti ({} and {}): install the same one on all nodes",
                message["version"].dump(), kMeetingVersion);
  }
  return message;
}

Arrival ReadArrival(const Json& message) {
  return {message.at("host").get<std::string>(),
          message.at("machine").get<std::string>(),
          message.at("network").get<std::string>(),
          {message.at("cpus").get<std::vector<int>>(), message.at("gpus").get<std::vector<std::string>>()}};
}

Offer ReadOffer(const Json& message) {
  Offer offer{message.at("host").get<std::string>(), message.at("slots").get<int>(),
              message.at("slot_memory_bytes").get<uint64_t>(), std::nullopt};
  if (message.contains("refusal")) offer.refusal = message.at("refusal").get<std::string>();
  return offer;
}

Result<Word> ReadWord(const Json& message) {
  if (message.contains("exit_code")) return Dismissal{message.at("exit_code").get<int>()};
  Invitation invitation;
  invitation.hosts = message.at("hosts").get<std::vector<std::string>>();
  const int port = message.at("port").get<int>();
  if (invitation.hosts.empty() || port < 1 || port > 65'535) {
    return Fail(ErrorCode::kInvalid, "rank 0 says that its coordinator is nowhere");
  }
  invitation.port = static_cast<uint16_t>(port);
  TUTTI_ASSIGN_OR_RETURN(invitation.token, network::CheckSecret(message.at("token").get<std::string>(), "rank 0"));
  invitation.fingerprint = message.at("fingerprint").get<std::string>();
  TUTTI_ASSIGN_OR_RETURN(invitation.launcher, worker::ParseLauncher(message.at("launcher").get<std::string>()));
  invitation.launch_domain = message.at("launch_domain").get<std::string>();
  return invitation;
}

Json ToJson(const Invitation& invitation) {
  Json message = NewMessage();
  message["hosts"] = invitation.hosts;
  message["port"] = invitation.port;
  message["token"] = invitation.token;
  message["fingerprint"] = invitation.fingerprint;
  message["launcher"] = worker::Name(invitation.launcher);
  message["launch_domain"] = invitation.launch_domain;
  return message;
}

Json ToJson(const Dismissal& dismissal) {
  Json message = NewMessage();
  message["exit_code"] = dismissal.exit_code;
  return message;
}

// What `read` makes of it; the exceptions of the library end here.
template <typename Message, typename Read>
Result<Message> Decode(std::string_view text, Read read) {
  TUTTI_ASSIGN_OR_RETURN(const Json message, ParseMessage(text));
  try {
    return read(message);
  } catch (const nlohmann::json::exception& error) {
    return Fail(ErrorCode::kInvalid, "what a rank says makes no sense: {}", error.what());
  }
}

}  // namespace

std::string Encode(const Arrival& arrival) {
  Json message = NewMessage();
  message["host"] = arrival.host;
  message["machine"] = arrival.machine;
  message["network"] = arrival.network;
  message["cpus"] = arrival.part.cpus;
  message["gpus"] = arrival.part.gpus;
  return message.dump();
}

std::string Encode(const Offer& offer) {
  Json message = NewMessage();
  message["host"] = offer.host;
  message["slots"] = offer.slots;
  message["slot_memory_bytes"] = offer.slot_memory_bytes;
  if (offer.refusal) message["refusal"] = *offer.refusal;
  return message.dump();
}

std::string Encode(const Word& word) {
  return std::visit([](const auto& one) { return ToJson(one); }, word).dump();
}

Result<Arrival> DecodeArrival(std::string_view text) { return Decode<Arrival>(text, ReadArrival); }
Result<Offer> DecodeOffer(std::string_view text) { return Decode<Offer>(text, ReadOffer); }
Result<Word> DecodeWord(std::string_view text) { return Decode<Word>(text, ReadWord); }

}  // namespace tutti::cli
