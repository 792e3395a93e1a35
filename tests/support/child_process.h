// A process of its own for a test that kills it.
#pragma once

#include <sys/types.h>

#include <functional>

namespace tutti::testing {

// Runs `body` in a forked child, which ends with what it returns. The child must not use GoogleTest's checks.
class ChildProcess {
 public:
  // `body` is given the descriptor of a pipe whose other end is `output()`.
  explicit ChildProcess(const std::function<int(int pipe)>& body);
  ~ChildProcess();  // kills it when it still lives
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  int output() const { return output_; }
  // The next byte that it writes; -1 once it has ended.
  int ReadByte() const;
  void Kill();  // SIGKILL, and waits for its end
  int Wait();   // its exit code, 128 + signal for a signal's

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

}  // namespace tutti::testing
