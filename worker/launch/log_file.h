// What a trainer prints, kept up to a limit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/file_system.h"
#include "common/result.h"

namespace tutti::worker {

// Appends to a file until `limit_bytes` were written; then a notice ends the file, and what comes later is dropped. A
// full disk ends it as well: a log never stops a training. The last lines are remembered in any case.
class LogFile {
 public:
  static Result<LogFile> Open(FileSystem& files, const std::filesystem::path& path, uint64_t limit_bytes);

  void Append(std::string_view text);
  // At most 20 whole lines of 4 KiB together.
  std::string LastLines() const;

 private:
  LogFile(std::unique_ptr<WritableFile> file, uint64_t limit_bytes)
      : file_(std::move(file)), remaining_bytes_(limit_bytes) {}
  void Write(std::string_view text);
  void Remember(std::string_view text);

  std::unique_ptr<WritableFile> file_;  // empty once closed
  uint64_t remaining_bytes_;
  std::string tail_;
};

}  // namespace tutti::worker
