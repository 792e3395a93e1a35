#include "common/protocol/channel.h"

#include <array>
#include <charconv>

#include "common/protocol/fields.h"

namespace tutti::protocol {
namespace {

struct NamedReason {
  StopReason value;
  std::string_view name;
};
constexpr auto kReasons = std::to_array<NamedReason>({
    {StopReason::kRequested, "requested"},
    {StopReason::kCancelled, "cancelled"},
    {StopReason::kPreempted, "preempted"},
    {StopReason::kPruned, "pruned"},
    {StopReason::kStale, "stale"},
});

}  // namespace

template <>
struct Wire<StopReason> {
  static Json Write(StopReason reason) {
    for (const auto& named : kReasons) {
      if (named.value == reason) return std::string(named.name);
    }
    TUTTI_CHECK(false);
  }
  static Result<StopReason> Read(const Json& json) {
    for (const auto& named : kReasons) {
      if (json == named.name) return named.value;
    }
    return Expected("a reason for a stop");
  }
};

template <>
struct Wire<TrainerEvent> {
  static Json Write(const TrainerEvent& event) { return ToJson(event); }
  static Result<TrainerEvent> Read(const Json& json) { return TrainerEventFromJson(json); }
};

template <>
struct Wire<Task> {
  static Json Write(const Task& task) { return ToJson(task); }
  static Result<Task> Read(const Json& json) { return TaskFromJson(json); }
};

template <>
inline constexpr auto kFields<SlotId> = std::tuple(Field{"worker", &SlotId::worker}, Field{"index", &SlotId::index});
template <>
inline constexpr auto kFields<RunningAttempt> = std::tuple(Field{"attempt", &RunningAttempt::attempt},
                                                           Field{"leader", &RunningAttempt::leader},
                                                           Field{"slots", &RunningAttempt::slots});

template <>
inline constexpr auto kFields<Hello> = std::tuple(
    Field{"version", &Hello::version}, Field{"worker", &Hello::worker}, Field{"own_incarnation", &Hello::incarnation},
    Field{"host", &Hello::host}, Field{"launch_domain", &Hello::launch_domain}, Field{"slots", &Hello::slots},
    Field{"threads_per_slot", &Hello::threads_per_slot}, Field{"device", &Hello::device},
    Field{"slot_memory_bytes", &Hello::slot_memory_bytes}, Field{"running", &Hello::running},
    Field{"obeyed", &Hello::obeyed});
template <>
inline constexpr auto kFields<Heartbeat> = std::tuple();
template <>
inline constexpr auto kFields<AttemptStarted> = std::tuple(Field{"attempt", &AttemptStarted::attempt});
template <>
inline constexpr auto kFields<AttemptFailedToStart> = std::tuple(Field{"attempt", &AttemptFailedToStart::attempt},
                                                                 Field{"error", &AttemptFailedToStart::error});
template <>
inline constexpr auto kFields<AttemptEvent> = std::tuple(Field{"attempt", &AttemptEvent::attempt},
                                                         Field{"sequence", &AttemptEvent::sequence},
                                                         Field{"event", &AttemptEvent::event});
template <>
inline constexpr auto kFields<AttemptExited> = std::tuple(Field{"attempt", &AttemptExited::attempt},
                                                          Field{"exit_code", &AttemptExited::exit_code},
                                                          Field{"last_log_lines", &AttemptExited::last_log_lines});
template <>
inline constexpr auto kFields<SlotsFree> = std::tuple(Field{"attempt", &SlotsFree::attempt},
                                                      Field{"slots", &SlotsFree::slots});
template <>
inline constexpr auto kFields<Leaving> = std::tuple();

template <>
inline constexpr auto kFields<Welcome> = std::tuple();
template <>
inline constexpr auto kFields<Refused> = std::tuple(Field{"reason", &Refused::reason});
template <>
inline constexpr auto kFields<GrantSlots> = std::tuple(Field{"attempt", &GrantSlots::attempt},
                                                       Field{"slots", &GrantSlots::slots},
                                                       Field{"ranks", &GrantSlots::ranks});
template <>
inline constexpr auto kFields<StartAttempt> = std::tuple(Field{"attempt", &StartAttempt::attempt},
                                                         Field{"task", &StartAttempt::task},
                                                         Field{"gang", &StartAttempt::gang},
                                                         Field{"hosts", &StartAttempt::hosts});
template <>
inline constexpr auto kFields<StopAttempt> = std::tuple(Field{"attempt", &StopAttempt::attempt},
                                                        Field{"reason", &StopAttempt::reason});
template <>
inline constexpr auto kFields<Acknowledge> = std::tuple(Field{"attempt", &Acknowledge::attempt},
                                                        Field{"sequence", &Acknowledge::sequence});
template <>
inline constexpr auto kFields<Leave> = std::tuple();

template <>
inline constexpr const char* kWord<Hello> = "hello";
template <>
inline constexpr const char* kWord<Heartbeat> = "heartbeat";
template <>
inline constexpr const char* kWord<AttemptStarted> = "attempt_started";
template <>
inline constexpr const char* kWord<AttemptFailedToStart> = "attempt_failed_to_start";
template <>
inline constexpr const char* kWord<AttemptEvent> = "attempt_event";
template <>
inline constexpr const char* kWord<AttemptExited> = "attempt_exited";
template <>
inline constexpr const char* kWord<SlotsFree> = "slots_free";
template <>
inline constexpr const char* kWord<Leaving> = "leaving";
template <>
inline constexpr const char* kWord<Welcome> = "welcome";
template <>
inline constexpr const char* kWord<Refused> = "refused";
template <>
inline constexpr const char* kWord<GrantSlots> = "grant_slots";
template <>
inline constexpr const char* kWord<StartAttempt> = "start_attempt";
template <>
inline constexpr const char* kWord<StopAttempt> = "stop_attempt";
template <>
inline constexpr const char* kWord<Acknowledge> = "acknowledge";
template <>
inline constexpr const char* kWord<Leave> = "leave";

namespace {

// What a trainer logged may be any bytes: those that are no UTF-8 are replaced rather than thrown at.
std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <typename Id>
Result<Id> ReadNumber(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return Fail(ErrorCode::kInvalid, "the key '{}' is missing", key);
  auto id = ReadValue<Id>(*found);
  if (!id) return Fail(ErrorCode::kInvalid, "'{}': {}", key, id.error().message);
  return id;
}

Result<Json> ParseMessage(std::string_view text) {
  TUTTI_ASSIGN_OR_RETURN(Json json, ParseJson(text));
  if (!json.is_object()) return Fail(ErrorCode::kInvalid, "a message must be an object");
  return json;
}

// Of a Hello: what another version means by its other keys is not known here.
Result<void> CheckVersion(const Json& json) {
  if (json.value("type", Json()) != kWord<Hello>) return {};
  TUTTI_ASSIGN_OR_RETURN(const int version, ReadNumber<int>(json, "version"));
  if (version == kChannelVersion) return {};
  return Fail(ErrorCode::kInvalid,
              "it speaks version {} of the channel, this coordinator {}: install the same release on both", version,
              kChannelVersion);
}

Result<FromWorkerMessage> FromWorkerFromText(std::string_view text) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseMessage(text));
  TUTTI_RETURN_IF_ERROR(CheckVersion(json));
  FromWorkerMessage message;
  TUTTI_ASSIGN_OR_RETURN(message.generation, ReadNumber<Generation>(json, "generation"));
  TUTTI_ASSIGN_OR_RETURN(message.incarnation, ReadNumber<Incarnation>(json, "incarnation"));
  TUTTI_ASSIGN_OR_RETURN(message.body, Tagged<FromWorker>::Read(json, "type"));
  return message;
}

Result<ToWorkerMessage> ToWorkerFromText(std::string_view text) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseMessage(text));
  ToWorkerMessage message;
  TUTTI_ASSIGN_OR_RETURN(message.generation, ReadNumber<Generation>(json, "generation"));
  TUTTI_ASSIGN_OR_RETURN(message.body, Tagged<ToWorker>::Read(json, "type"));
  return message;
}

}  // namespace

std::string Encode(const FromWorkerMessage& message) {
  Json json = {{"generation", message.generation.value}, {"incarnation", message.incarnation.value}};
  WriteTagged(json, "type", message.body);
  return Dump(json);
}

std::string Encode(const ToWorkerMessage& message) {
  Json json = {{"generation", message.generation.value}};
  WriteTagged(json, "type", message.body);
  return Dump(json);
}

Result<FromWorkerMessage> DecodeFromWorker(std::string_view text) {
  auto message = FromWorkerFromText(text);
  if (!message) return FailBecause(std::move(message.error()), "a worker's message cannot be read");
  return message;
}

Result<ToWorkerMessage> DecodeToWorker(std::string_view text) {
  auto message = ToWorkerFromText(text);
  if (!message) return FailBecause(std::move(message.error()), "the coordinator's message cannot be read");
  return message;
}

}  // namespace tutti::protocol
