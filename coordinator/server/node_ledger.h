// What is remembered of nodes on demand beyond what the batch system knows: HOME/nodes.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/result.h"
#include "coordinator/server/batch_system.h"

namespace tutti::server {

class NodeLedger {
 public:
  // An empty one where none was written. Errors: kCorrupt, kIo, kDenied.
  static Result<NodeLedger> Read(const FileSystem& files, const std::filesystem::path& home);

  // How things stand: what runs costs, and what is not there any more has cost what was seen last.
  void Note(const std::vector<BatchJob>& jobs);
  void NoteSlots(int slots_per_node) { slots_per_node_ = slots_per_node; }
  // The next job's number: no two jobs of a home have the same, once the ledger was written.
  int64_t TakeNumber() { return ++last_number_; }

  Duration used() const { return used_; }  // nodes x time, of jobs that have ended
  std::optional<int> slots_per_node() const { return slots_per_node_; }
  std::string Text() const;

 private:
  struct Running {
    int nodes = 1;
    Duration ran{};
  };
  Duration used_{};
  int64_t last_number_ = 0;
  std::optional<int> slots_per_node_;
  std::map<std::string, Running> running_;  // by name
};

// Whole or not at all.
Result<void> WriteNodeLedger(FileSystem& files, const std::filesystem::path& home, const std::string& text);

}  // namespace tutti::server
