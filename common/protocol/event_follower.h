// Reads what a trainer appends to its events file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/trainer_events.h"
#include "common/result.h"

namespace tutti::protocol {

struct FollowedEvent {
  int64_t sequence = 0;  // offset in the file after its line
  TrainerEvent event;
};

// A line counts once its end is written; until then it waits. What is no event is left out, with a warning.
class EventFollower {
 public:
  EventFollower(const FileSystem& files, std::filesystem::path path) : files_(files), path_(std::move(path)) {}

  // The whole lines of the next piece (at most 1 MiB) of the file; nothing when there is no file yet.
  // kIo: the file cannot be read, nothing was passed over. A single line longer than the piece is passed over.
  Result<std::vector<FollowedEvent>> Next();
  // Whether the last piece reached the end of what is written; a partial line may be left.
  bool at_end() const { return at_end_; }
  // Goes on from here, which must be the offset after a line.
  void GoTo(int64_t offset);

 private:
  enum class Line { kWhole, kTooLong };

  const FileSystem& files_;
  std::filesystem::path path_;
  int64_t offset_ = 0;
  bool at_end_ = false;
  Line line_ = Line::kWhole;  // what the bytes at offset_ belong to
};

}  // namespace tutti::protocol
