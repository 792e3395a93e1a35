#include "common/protocol/task.h"

#include "common/protocol/fields.h"

namespace tutti::protocol {

template <>
inline constexpr auto kFields<Task> = std::tuple(
    Field{"attempt", &Task::attempt}, Field{"kind", &Task::kind}, Field{"ensemble_folder", &Task::ensemble_folder},
    Field{"folder", &Task::folder}, Field{"events", &Task::events}, Field{"cache", &Task::cache},
    Field{"data", &Task::data}, Field{"member", &Task::member}, Field{"split", &Task::split},
    Field{"data_hash", &Task::data_hash}, Field{"classes", &Task::classes}, Field{"shards", &Task::shards},
    Field{"resume_from", &Task::resume_from}, Field{"threads", &Task::threads});

Json ToJson(const Task& task) {
  Json json = {{"version", kTaskVersion}};
  WriteFields(json, task);
  return json;
}

Result<Task> TaskFromJson(const Json& json) {
  if (!json.is_object()) return Fail(ErrorCode::kInvalid, "a task must be an object");
  const auto version = json.find("version");
  if (version == json.end()) return Fail(ErrorCode::kInvalid, "a task: the key 'version' is missing");
  if (*version != kTaskVersion) {
    return Fail(ErrorCode::kInvalid,
                "a task of version {}, but this program reads version {}: use programs of one release", version->dump(),
                kTaskVersion);
  }
  auto task = RefuseUnknownKeys<Task>(json, {"version"}).and_then([&] { return ReadFields<Task>(json); });
  if (!task) return Fail(ErrorCode::kInvalid, "a task: {}", task.error().message);
  if (task->kind == JobKind::kTrain && !task->member) {
    return Fail(ErrorCode::kInvalid, "a task: the key 'member' is missing, which training needs");
  }
  return task;
}

}  // namespace tutti::protocol
