#include "coordinator/server/node_ledger.h"

#include <algorithm>
#include <utility>

#include "common/json.h"
#include "common/whole_number.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

constexpr int kVersion = 1;

fs::path FileIn(const fs::path& home) { return home / "nodes.json"; }

int64_t SecondsOf(Duration duration) { return std::chrono::duration_cast<std::chrono::seconds>(duration).count(); }

Duration DurationIn(const Json& json, const char* key) {
  return std::chrono::seconds(std::max<int64_t>(0, json.at(key).get<int64_t>()));
}

}  // namespace

Result<NodeLedger> NodeLedger::Read(const FileSystem& files, const fs::path& home) {
  NodeLedger ledger;
  const auto text = files.Read(FileIn(home));
  if (!text && text.error().code == ErrorCode::kNotFound) return ledger;
  if (!text) return tl::unexpected<Error>(text.error());
  const auto damaged = [&](const std::string& why) {
    return Fail(ErrorCode::kCorrupt,
                "{} cannot be read ({}): it remembers how many node-hours were used; put it right, or delete it to "
                "begin from none",
                FileIn(home).string(), why);
  };
  const auto json = ParseJson(*text);
  if (!json) return damaged(json.error().Text());
  try {
    if (json->at("version") != kVersion) return damaged("another version wrote it");
    ledger.used_ = DurationIn(*json, "used_node_seconds");
    ledger.last_number_ = json->at("last_number").get<int64_t>();
    if (!json->at("slots_per_node").is_null()) ledger.slots_per_node_ = json->at("slots_per_node").get<int>();
    for (const auto& [name, job] : json->at("running").items()) {
      ledger.running_[name] = {job.at("nodes").get<int>(), DurationIn(job, "seconds")};
    }
  } catch (const Json::exception& error) {
    return damaged(error.what());
  }
  return ledger;
}

void NodeLedger::Note(const std::vector<BatchJob>& jobs) {
  // A ledger that was deleted, or is behind another coordinator's, gives no name that is taken.
  for (const BatchJob& job : jobs) {
    if (const auto numbered = SplitId(job.name)) last_number_ = std::max<int64_t>(last_number_, numbered->number);
  }
  std::map<std::string, Running> before = std::exchange(running_, {});
  for (const BatchJob& job : jobs) {
    before.erase(job.name);
    if (job.running) running_[job.name] = {job.nodes, std::max(Duration(0), job.walltime - job.left)};
  }
  for (const auto& [name, ended] : before) used_ += ended.nodes * ended.ran;
}

std::string NodeLedger::Text() const {
  Json running = Json::object();
  for (const auto& [name, job] : running_) running[name] = {{"nodes", job.nodes}, {"seconds", SecondsOf(job.ran)}};
  const Json json = {{"version", kVersion},
                     {"used_node_seconds", SecondsOf(used_)},
                     {"last_number", last_number_},
                     {"slots_per_node", slots_per_node_ ? Json(*slots_per_node_) : Json(nullptr)},
                     {"running", std::move(running)}};
  return json.dump(2) + "\n";
}

Result<void> WriteNodeLedger(FileSystem& files, const fs::path& home, const std::string& text) {
  return WriteFileDurably(files, FileIn(home), text);
}

}  // namespace tutti::server
