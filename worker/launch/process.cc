#include "worker/launch/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace tutti::worker {
namespace {

constexpr int kExecFailed = 127;  // as shells have it; nobody sees it, since StartProcess reports the error itself

// Everything that the child needs between fork and exec, made before: another thread may hold malloc's lock then.
struct Prepared {
  explicit Prepared(const Command& source) : command(source) {
    for (const std::string& argument : command.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    for (const auto& [key, value] : command.environment) variables.push_back(key + "=" + value);
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    folder = command.folder.string();
    for (const int cpu : command.cpus) AddCpu(static_cast<size_t>(cpu));
    sigemptyset(&blocked);
    for (const int signal : command.blocked_signals) sigaddset(&blocked, signal);
  }

  const Command& command;
  std::vector<char*> arguments;
  std::vector<std::string> variables;
  std::vector<char*> environment;
  std::string folder;
  std::vector<cpu_set_t> cpus;  // one set, as long as the machine needs
  sigset_t blocked;
  pid_t parent = ::getpid();

  size_t cpu_bytes() const { return cpus.size() * sizeof(cpu_set_t); }

 private:
  void AddCpu(size_t cpu) {
    while (cpus.size() * CPU_SETSIZE <= cpu) CPU_ZERO(&cpus.emplace_back());
    CPU_SET_S(cpu, cpu_bytes(), cpus.data());
  }
};

enum class Stage : int { kParent, kGroup, kAffinity, kFolder, kOutput, kExec };

std::string_view Describe(Stage stage) {
  switch (stage) {
    case Stage::kParent:
      return "its parent ended while it started";
    case Stage::kGroup:
      return "cannot make its process group";
    case Stage::kAffinity:
      return "cannot bind it to its CPUs";
    case Stage::kFolder:
      return "cannot enter its folder";
    case Stage::kOutput:
      return "cannot redirect its output";
    case Stage::kExec:
      return "cannot run it";
  }
  return "";
}

struct StartFailure {
  Stage stage;
  int system_errno;
};

[[noreturn]] void GiveUp(int report, Stage stage) {
  const StartFailure failure{stage, errno};
  // A pipe takes these few bytes whole; were they lost, the parent would see a child that ends with kExecFailed.
  [[maybe_unused]] const ssize_t written = ::write(report, &failure, sizeof(failure));
  ::_exit(kExecFailed);
}

void ResetSignals(const Prepared& prepared) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  for (const int signal : prepared.command.ignored_signals) ::sigaction(signal, &action, nullptr);
  ::sigprocmask(SIG_SETMASK, &prepared.blocked, nullptr);
}

void RedirectStandardStreams(const Prepared& prepared, int report) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) GiveUp(report, Stage::kOutput);
  if (!prepared.command.output) return;
  if (::dup2(*prepared.command.output, STDOUT_FILENO) < 0) GiveUp(report, Stage::kOutput);
  if (::dup2(*prepared.command.output, STDERR_FILENO) < 0) GiveUp(report, Stage::kOutput);
}

void CloseOthersOnExec(const Prepared& prepared) {
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const int kept : prepared.command.kept_descriptors) ::fcntl(kept, F_SETFD, 0);
}

// Runs in the child: async-signal-safe calls only.
[[noreturn]] void BecomeProgram(const Prepared& prepared, int report) {
  const Command& command = prepared.command;
  // The parent may have ended before the death signal was set.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != prepared.parent) GiveUp(report, Stage::kParent);
  if (command.group == Command::Group::kOwn && ::setpgid(0, 0) != 0) GiveUp(report, Stage::kGroup);
  if (!command.cpus.empty() && ::sched_setaffinity(0, prepared.cpu_bytes(), prepared.cpus.data()) != 0) {
    GiveUp(report, Stage::kAffinity);
  }
  if (!prepared.folder.empty() && ::chdir(prepared.folder.c_str()) != 0) GiveUp(report, Stage::kFolder);
  RedirectStandardStreams(prepared, report);
  CloseOthersOnExec(prepared);
  ResetSignals(prepared);
  ::execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  GiveUp(report, Stage::kExec);
}

// With every signal blocked around the fork, no handler of the parent can run in the child.
pid_t ForkWithSignalsBlocked(const Prepared& prepared, int report) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) BecomeProgram(prepared, report);
  const int fork_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = fork_errno;
  return pid;
}

// Nothing to read means that exec has closed the pipe.
std::optional<StartFailure> ReadFailure(int descriptor) {
  StartFailure failure{};
  ssize_t got = 0;
  do {
    got = ::read(descriptor, &failure, sizeof(failure));
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof(failure))) return failure;
  return std::nullopt;
}

int ExitCodeOf(const siginfo_t& info) { return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status; }

struct ProcessState {
  char state = 'X';
  pid_t group = 0;
};

// From /proc/PID/stat: "PID (name, which may hold anything) STATE PPID PGRP ...".
std::optional<ProcessState> ReadState(const char* pid) {
  std::ifstream file(std::string("/proc/") + pid + "/stat");
  std::string text;
  if (!std::getline(file, text, '\0')) return std::nullopt;
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  ProcessState result;
  int parent = 0;
  if (std::sscanf(text.c_str() + end_of_name + 1, " %c %d %d", &result.state, &parent, &result.group) != 3) {
    return std::nullopt;
  }
  return result;
}

}  // namespace

OwnedDescriptor OpenProcess(pid_t pid) { return OwnedDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

void SignalProcess(const OwnedDescriptor& process, int signal) {
  if (process.get() >= 0) ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
}

Result<pid_t> StartProcess(const Command& command) {
  TUTTI_CHECK(!command.arguments.empty());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "cannot make a pipe to start a process");
  const OwnedDescriptor reader(ends[0]);
  OwnedDescriptor writer(ends[1]);
  const Prepared prepared(command);
  const pid_t pid = ForkWithSignalsBlocked(prepared, writer.get());
  if (pid < 0) return FailErrno(errno, fmt::format("cannot start {}", command.arguments[0]));
  writer.Close();
  if (const std::optional<StartFailure> failure = ReadFailure(reader.get())) {
    ::waitpid(pid, nullptr, 0);
    return FailErrno(failure->system_errno,
                     fmt::format("cannot start {}: {}", command.arguments[0], Describe(failure->stage)));
  }
  return pid;
}

Spawner::Spawner() : thread_([this] { Serve(); }) {}

Spawner::~Spawner() {
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kClosing;
  }
  changed_.notify_one();
  thread_.join();
}

Result<pid_t> Spawner::Start(const Command& command) {
  std::packaged_task<Result<pid_t>()> task([&command] { return StartProcess(command); });
  std::future<Result<pid_t>> result = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(task));
  }
  changed_.notify_one();
  return result.get();
}

void Spawner::Serve() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return phase_ == Phase::kClosing || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

Result<ChildProcess> ChildProcess::Adopt(pid_t pid) {
  OwnedDescriptor descriptor = OpenProcess(pid);
  if (descriptor.get() < 0) return FailErrno(errno, fmt::format("cannot watch process {}", pid));
  return ChildProcess(pid, std::move(descriptor));
}

void ChildProcess::Signal(int signal) const {
  if (!exit_code_) SignalProcess(descriptor_, signal);
}

void ChildProcess::SignalGroup(int signal) const {
  // Until it is reaped its number, and so that of its group, cannot be given to another.
  if (!exit_code_) ::kill(-pid_, signal);
}

int ChildProcess::Reap() {
  if (exit_code_) return *exit_code_;
  siginfo_t info = {};
  int status = 0;
  do {
    status = ::waitid(P_PIDFD, static_cast<id_t>(descriptor_.get()), &info, WEXITED);
  } while (status != 0 && errno == EINTR);
  // Where the program around us ignores SIGCHLD the kernel has reaped it and forgotten how it ended.
  constexpr int kUnknown = 70;
  exit_code_ = status == 0 ? ExitCodeOf(info) : kUnknown;
  return *exit_code_;
}

bool GroupLives(pid_t group) {
  if (::kill(-group, 0) != 0 && errno == ESRCH) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(::opendir("/proc"), ::closedir);
  if (!processes) return true;
  while (const dirent* entry = ::readdir(processes.get())) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const std::optional<ProcessState> process = ReadState(entry->d_name);
    if (process && process->group == group && process->state != 'Z' && process->state != 'X') return true;
  }
  return false;
}

}  // namespace tutti::worker
