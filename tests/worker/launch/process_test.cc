#include "worker/launch/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

namespace tutti::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kDeadlineMs = 30'000;

Command Shell(const std::string& script) {
  Command command;
  command.arguments = {"/bin/sh", "-c", script};
  command.environment = {{"PATH", "/usr/bin:/bin"}};
  return command;
}

bool Ended(const ChildProcess& process) {
  pollfd waiting{process.descriptor(), POLLIN, 0};
  return ::poll(&waiting, 1, kDeadlineMs) == 1;
}

int ExitCodeOf(const Command& command) {
  auto process = ChildProcess::Adopt(StartProcess(command).value()).value();
  EXPECT_TRUE(Ended(process));
  return process.Reap();
}

// What a command prints, on stdout or stderr.
std::string OutputOf(Command command) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  command.output = ends[1];
  auto process = ChildProcess::Adopt(StartProcess(command).value()).value();
  ::close(ends[1]);
  std::string text;
  std::array<char, 1024> piece;
  for (ssize_t got = 0; (got = ::read(ends[0], piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<size_t>(got));
  }
  ::close(ends[0]);
  process.Reap();
  return text;
}

TEST(StartProcess, ExitCodesComeThrough) {
  EXPECT_EQ(ExitCodeOf(Shell("exit 0")), 0);
  EXPECT_EQ(ExitCodeOf(Shell("exit 75")), 75);
}

TEST(StartProcess, ASignalIs128AndItsNumber) { EXPECT_EQ(ExitCodeOf(Shell("kill -KILL $$")), 128 + SIGKILL); }

TEST(StartProcess, OfAMissingProgramIsAnErrorAndLeavesNoChild) {
  Command command;
  command.arguments = {"/nowhere/trainer"};
  const auto started = StartProcess(command);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(started.error().message, HasSubstr("/nowhere/trainer"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(StartProcess, OfWhatIsNoProgramIsAnError) {
  Command command;
  command.arguments = {"/etc/passwd"};
  EXPECT_EQ(StartProcess(command).error().code, ErrorCode::kDenied);
}

TEST(StartProcess, InAMissingFolderIsAnError) {
  Command command = Shell("exit 0");
  command.folder = "/nowhere";
  EXPECT_THAT(StartProcess(command).error().message, HasSubstr("folder"));
}

TEST(StartProcess, GivesTheEnvironmentAndNothingElse) {
  Command command = Shell("/usr/bin/env");
  command.environment = {{"ONLY", "this one"}};
  const std::string printed = OutputOf(command);
  EXPECT_THAT(printed, HasSubstr("ONLY=this one\n"));
  EXPECT_THAT(printed, Not(HasSubstr("HOME=")));
}

TEST(StartProcess, LeavesNoDescriptorOpenThatIsNotKept) {
  const OwnedDescriptor leaked(::dup2(STDIN_FILENO, 50));  // without close-on-exec
  const OwnedDescriptor kept(::dup3(STDIN_FILENO, 51, O_CLOEXEC));
  Command command = Shell("for n in 50 51; do test -e /proc/self/fd/$n && echo open $n; done; true");
  command.kept_descriptors = {51};
  EXPECT_EQ(OutputOf(command), "open 51\n");
}

TEST(StartProcess, HasNothingToReadOnStdin) { EXPECT_EQ(ExitCodeOf(Shell("read line && exit 1; exit 0")), 0); }

TEST(StartProcess, ResetsMasksAndHandlersOfTheParent) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto former = ::signal(SIGINT, SIG_IGN);
  const std::string status = OutputOf(Shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
  ::signal(SIGINT, former);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(status, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(StartProcess, BlocksAndIgnoresWhatItIsTold) {
  Command command;  // not through a shell, which unblocks signals
  command.arguments = {"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
  command.blocked_signals = {SIGTERM};
  command.ignored_signals = {SIGUSR1};
  EXPECT_EQ(OutputOf(command), "SigBlk:\t0000000000004000\nSigIgn:\t0000000000000200\n");
}

TEST(StartProcess, BindsToItsCpus) {
  Command command = Shell("grep ^Cpus_allowed_list /proc/self/status");
  command.cpus = {0};
  EXPECT_EQ(OutputOf(command), "Cpus_allowed_list:\t0\n");
}

TEST(StartProcess, AGroupOfItsOwnIsSignalledWithItsChildren) {
  auto process = ChildProcess::Adopt(StartProcess(Shell("sleep 1000 & sleep 1000 & wait")).value()).value();
  EXPECT_TRUE(GroupLives(process.pid()));
  process.SignalGroup(SIGKILL);
  ASSERT_TRUE(Ended(process));
  EXPECT_EQ(process.Reap(), 128 + SIGKILL);
}

// Where nobody reaps orphans their remains must not hold slots for ever.
TEST(GroupLives, NotWhenOnlyUnreapedOnesAreLeft) {
  auto process = ChildProcess::Adopt(StartProcess(Shell("exit 0")).value()).value();
  ASSERT_TRUE(Ended(process));
  EXPECT_EQ(::kill(-process.pid(), 0), 0) << "the kernel still counts it";
  EXPECT_FALSE(GroupLives(process.pid()));
  process.Reap();
  EXPECT_FALSE(GroupLives(process.pid()));
}

TEST(ChildProcess, IsNotSignalledOnceItIsReaped) {
  auto process = ChildProcess::Adopt(StartProcess(Shell("exit 3")).value()).value();
  ASSERT_TRUE(Ended(process));
  EXPECT_EQ(process.Reap(), 3);
  process.Signal(SIGKILL);
  process.SignalGroup(SIGKILL);
  EXPECT_EQ(process.Reap(), 3);
}

TEST(StartProcess, DiesWithTheThreadThatStartedIt) {
  pid_t pid = -1;
  std::thread([&] { pid = StartProcess(Shell("exec sleep 1000")).value(); }).join();
  auto process = ChildProcess::Adopt(pid).value();
  ASSERT_TRUE(Ended(process));
  EXPECT_EQ(process.Reap(), 128 + SIGKILL);
}

TEST(Spawner, KeepsItsChildrenAliveBeyondTheCallersThread) {
  Spawner spawner;
  pid_t pid = -1;
  std::thread([&] { pid = spawner.Start(Shell("kill -STOP $$; exit 7")).value(); }).join();
  siginfo_t info = {};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED), 0);
  ASSERT_EQ(info.si_code, CLD_STOPPED) << "it has ended with the caller's thread";
  auto process = ChildProcess::Adopt(pid).value();
  process.Signal(SIGCONT);
  ASSERT_TRUE(Ended(process));
  EXPECT_EQ(process.Reap(), 7);
}

TEST(Spawner, TakesItsChildrenWithIt) {
  auto spawner = std::make_unique<Spawner>();
  auto process = ChildProcess::Adopt(spawner->Start(Shell("exec sleep 1000")).value()).value();
  spawner.reset();
  ASSERT_TRUE(Ended(process));
  EXPECT_EQ(process.Reap(), 128 + SIGKILL);
}

TEST(Spawner, ServesManyThreadsAtOnce) {
  Spawner spawner;
  std::vector<std::thread> callers;
  std::array<int, 8> codes{};
  for (size_t i = 0; i < codes.size(); ++i) {
    callers.emplace_back([&, i] {
      auto process = ChildProcess::Adopt(spawner.Start(Shell(fmt::format("exit {}", i))).value()).value();
      if (Ended(process)) codes[i] = process.Reap();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(codes, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

}  // namespace
}  // namespace tutti::worker
