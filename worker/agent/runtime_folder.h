// The node-local folder of one agent: its socket and its launchers' files.
#pragma once

#include <filesystem>

#include "common/result.h"
#include "worker/launch/process.h"

namespace tutti::worker {

// $XDG_RUNTIME_DIR/tutti, or /tmp/tutti-UID.
std::filesystem::path DefaultRuntimeFolder();

// A folder of its own within `parent`, removed with it. Those that dead agents left are removed when one is made.
class RuntimeFolder {
 public:
  // Makes `parent` (0700) where it is missing. kDenied: it belongs to someone else or lets others in. kTimeout: another
  // agent holds it while it makes its own.
  static Result<RuntimeFolder> Make(const std::filesystem::path& parent);
  RuntimeFolder(RuntimeFolder&&) noexcept = default;
  RuntimeFolder& operator=(RuntimeFolder&&) = delete;
  ~RuntimeFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  RuntimeFolder(std::filesystem::path path, OwnedDescriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  OwnedDescriptor lock_;  // shows others that its owner lives; empty once moved from
};

}  // namespace tutti::worker
