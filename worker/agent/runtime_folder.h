// The node-local folders of agents: their sockets and their launchers' files.
#pragma once

#include <filesystem>
#include <string>

#include "common/ids.h"
#include "common/result.h"
#include "worker/launch/process.h"

namespace tutti::worker {

inline constexpr const char* kRankSocket = "ranks.sock";  // in the folder of an agent

// $XDG_RUNTIME_DIR/tutti, or /tmp/tutti-UID.
std::filesystem::path DefaultRuntimeFolder();

// What a worker is found by on its node: workers of other coordinators may have the same name.
struct WorkerAddress {
  std::filesystem::path home;
  WorkerId worker;
};

// The socket of a worker of this node. The folder that its agents share is `parent`, or what is the default here: a
// launcher tells the former to all nodes alike. kNotFound: no such worker. kDenied: a folder is not this user's alone.
Result<std::filesystem::path> FindRankSocket(const std::filesystem::path& parent, const WorkerAddress& address);

// A folder of its own within `parent`, removed with it. Those that dead agents left are removed when one is made.
class RuntimeFolder {
 public:
  // Makes `parent` (0700) where it is missing. As long as it lives FindRankSocket finds it. kDenied: `parent` belongs
  // to someone else or lets others in. kTimeout: another agent holds it while it makes its own.
  static Result<RuntimeFolder> Make(const std::filesystem::path& parent, const WorkerAddress& address);
  RuntimeFolder(RuntimeFolder&&) noexcept = default;
  RuntimeFolder& operator=(RuntimeFolder&&) = delete;
  ~RuntimeFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  RuntimeFolder(std::filesystem::path path, std::filesystem::path link, OwnedDescriptor lock)
      : path_(std::move(path)), link_(std::move(link)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  std::filesystem::path link_;  // leads to it
  OwnedDescriptor lock_;        // shows others that its owner lives; empty once moved from
};

}  // namespace tutti::worker
