#include "cli/doctor/run_checks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/owned_descriptor.h"

namespace tutti::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

Finding RunSafely(const Check& check, const Surroundings& around) try {
  return check.run(around);
} catch (const std::exception& error) {
  return Problem(check.name, fmt::format("this check fails: {}", error.what()), "please report it");
}

[[noreturn]] void BeTheCheck(const Check& check, const Surroundings& around, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const std::string text = ToJson(RunSafely(check, around)).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = ::write(output, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) ::_exit(1);
    if (count > 0) written += static_cast<size_t>(count);
  }
  // What the parent has of buffers and locks is not this process's to clean up.
  ::_exit(0);
}

class RunningCheck {
 public:
  RunningCheck(const Check& check, const Surroundings& around) : check_(check) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    reader_ = OwnedDescriptor(ends[0]);
    const OwnedDescriptor writer(ends[1]);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) BeTheCheck(check_, around, writer.get(), parent);
  }

  int descriptor() const { return ended_ || pid_ < 0 ? -1 : reader_.get(); }

  void Read() {
    std::array<char, 4096> block{};
    const ssize_t got = ::read(reader_.get(), block.data(), block.size());
    if (got > 0) text_.append(block.data(), static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) ended_ = true;
  }

  Finding Finish(Duration deadline) {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      // Held by a dead disk it does not even die now: then init buries it.
      ::waitpid(pid_, nullptr, ended_ ? 0 : WNOHANG);
    }
    const auto json = ParseJson(text_);
    const auto finding = json ? FindingFromJson(*json) : Result<Finding>(tl::unexpected(json.error()));
    if (ended_ && finding) return *finding;
    if (ended_ || pid_ < 0) return Problem(check_.name, "this check could not be run", "please report it");
    return Problem(
        check_.name,
        fmt::format("no answer within {} s", std::chrono::duration_cast<std::chrono::seconds>(deadline).count()),
        "something that it looks at hangs: a file server, a driver or a launcher");
  }

 private:
  const Check& check_;
  OwnedDescriptor reader_;
  pid_t pid_ = -1;
  std::string text_;
  bool ended_ = false;
};

// False once all have ended, or at the deadline.
bool WaitForSome(std::vector<RunningCheck>& running, SteadyClock::time_point deadline) {
  std::vector<pollfd> entries;
  for (const RunningCheck& check : running) entries.push_back({check.descriptor(), POLLIN, 0});
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
  const bool all_ended = std::ranges::all_of(entries, [](const pollfd& entry) { return entry.fd < 0; });
  if (left <= 0 || all_ended) return false;
  if (::poll(entries.data(), entries.size(), static_cast<int>(left)) < 0) return errno == EINTR;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].fd >= 0 && entries[i].revents != 0) running[i].Read();
  }
  return true;
}

}  // namespace

std::vector<Finding> RunChecks(std::span<const Check> checks, const Surroundings& around, Duration deadline) {
  const auto end = SteadyClock::now() + deadline;
  std::vector<RunningCheck> running;
  running.reserve(checks.size());
  for (const Check& check : checks) running.emplace_back(check, around);
  while (WaitForSome(running, end)) {
  }
  std::vector<Finding> findings;
  for (RunningCheck& check : running) findings.push_back(check.Finish(deadline));
  return findings;
}

}  // namespace tutti::cli
