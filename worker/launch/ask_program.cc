#include "worker/launch/ask_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/owned_descriptor.h"
#include "worker/launch/process.h"

namespace tutti::worker {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr auto kGrace = std::chrono::seconds(3);  // mpirun takes its ranks with it within this
constexpr auto kKillDeadline = std::chrono::seconds(1);
constexpr size_t kLongestAnswer = size_t{64} << 10;

// Whether `descriptor` can be read before the deadline.
bool WaitFor(int descriptor, SteadyClock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
    if (left <= 0) return false;
    pollfd entry{descriptor, POLLIN, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Until everybody who could write has closed it, or the deadline.
bool ReadToTheEnd(int descriptor, SteadyClock::time_point deadline, std::string& output) {
  std::array<char, 4096> block{};
  while (WaitFor(descriptor, deadline)) {
    const ssize_t got = ::read(descriptor, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    output.append(block.data(), std::min(static_cast<size_t>(got), kLongestAnswer - output.size()));
  }
  return false;
}

}  // namespace

Result<ProgramAnswer> AskProgram(std::vector<std::string> arguments, const Environment& environment,
                                 Duration deadline) {
  const auto end = SteadyClock::now() + deadline;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "cannot make a pipe");
  const OwnedDescriptor reader(ends[0]);
  OwnedDescriptor writer(ends[1]);
  Command command;
  command.arguments = std::move(arguments);
  command.environment = environment;
  command.output = writer.get();
  TUTTI_ASSIGN_OR_RETURN(const pid_t pid, StartProcess(command));
  writer.Close();
  TUTTI_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Adopt(pid));
  ProgramAnswer answer;
  const bool ended = ReadToTheEnd(reader.get(), end, answer.output) && WaitFor(child.descriptor(), end);
  if (!ended) {
    child.Signal(SIGTERM);
    WaitFor(child.descriptor(), SteadyClock::now() + kGrace);
  }
  child.SignalGroup(SIGKILL);
  // One that waits for a dead disk cannot even be killed: it is left alone.
  if (ended || WaitFor(child.descriptor(), SteadyClock::now() + kKillDeadline)) answer.exit_code = child.Reap();
  if (ended) return answer;
  return Fail(ErrorCode::kTimeout, "{} did not end within {} s", command.arguments[0],
              std::chrono::duration_cast<std::chrono::seconds>(deadline).count());
}

}  // namespace tutti::worker
