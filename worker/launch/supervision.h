// A started program, watched: its output goes to a log, its end is told.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "common/result.h"
#include "worker/launch/log_file.h"
#include "worker/launch/process.h"

namespace tutti::worker {

// Not thread-safe: to be used, and destroyed, on the thread that runs the context. Handlers are called there, never
// from inside a call. Destruction kills the program and its group.
class Supervision {
 public:
  struct Handlers {
    // The program has ended (128 + signal for a signal's) and all its output is in the log. What it left behind in its
    // group is killed.
    std::function<void(int exit_code)> on_exit;
    // After that: nothing of its group runs any more.
    std::function<void()> on_gone;
  };
  // Starts `command` in a group of its own; its output is taken over.
  static Result<std::unique_ptr<Supervision>> Start(boost::asio::io_context& context, Spawner& spawner, Command command,
                                                    LogFile log, Handlers handlers);
  Supervision(const Supervision&) = delete;
  Supervision& operator=(const Supervision&) = delete;
  ~Supervision();

  pid_t pid() const;
  void Signal(int signal);  // to the program alone
  void KillGroup();         // SIGKILL
  std::string LastLogLines() const;

 private:
  struct State;
  static Result<std::shared_ptr<State>> Watch(boost::asio::io_context& context, pid_t pid, OwnedDescriptor output,
                                              LogFile log, Handlers handlers);
  explicit Supervision(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tutti::worker
