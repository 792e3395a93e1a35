// Child processes: how they are started, signalled and waited for.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/owned_descriptor.h"
#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

// Names a process even after its number was given to another. Empty when there is none. (glibc 2.36 declares its own
// wrappers for these two in a way that C++ cannot link.)
OwnedDescriptor OpenProcess(pid_t pid);
void SignalProcess(const OwnedDescriptor& process, int signal);

struct Command {
  enum class Group { kOwn, kParents };

  std::vector<std::string> arguments;  // [0]: path of the program
  Environment environment;             // all of it
  std::filesystem::path folder;        // to run in; empty: the parent's
  Group group = Group::kOwn;           // of processes
  std::vector<int> cpus;               // to stay on; empty: the parent's
  std::optional<int> output;           // descriptor for stdout and stderr; by default the parent's
  std::vector<int> kept_descriptors;   // all others but 0, 1, 2 are closed; stdin is empty
  std::vector<int> blocked_signals;    // all others are not
  std::vector<int> ignored_signals;    // until the program sets a handler; all others are as at login
};

// Starts a program that SIGKILL ends when the calling THREAD ends: call it on a thread that stays. Returns once the
// program runs. Safe in a program of many threads. Errors: kNotFound, kDenied, kIo, each naming the program.
Result<pid_t> StartProcess(const Command& command);

// The thread that stays: starts processes for those who have none. Thread-safe. Its children are killed when it is
// destroyed.
class Spawner {
 public:
  Spawner();
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;
  Result<pid_t> Start(const Command& command);

 private:
  void Serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<Result<pid_t>()>> waiting_;
  enum class Phase { kServing, kClosing } phase_ = Phase::kServing;
  std::thread thread_;
};

// A child, until it is reaped. Not thread-safe.
class ChildProcess {
 public:
  static Result<ChildProcess> Adopt(pid_t pid);
  ChildProcess(ChildProcess&&) noexcept = default;
  ChildProcess& operator=(ChildProcess&&) noexcept = default;

  pid_t pid() const { return pid_; }
  // Readable once the process has ended.
  int descriptor() const { return descriptor_.get(); }
  // No effect once reaped.
  void Signal(int signal) const;
  void SignalGroup(int signal) const;
  // Waits for the end, which the readable descriptor tells: the exit code, or 128 + signal.
  int Reap();

 private:
  ChildProcess(pid_t pid, OwnedDescriptor descriptor) : pid_(pid), descriptor_(std::move(descriptor)) {}
  pid_t pid_ = -1;
  OwnedDescriptor descriptor_;
  std::optional<int> exit_code_;
};

// Whether a process of this group still runs. One that has ended and waits for its parent does not: where nobody reaps
// orphans (a container without init) it would count for ever.
bool GroupLives(pid_t group);

}  // namespace tutti::worker
