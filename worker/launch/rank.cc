#include "worker/launch/rank.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "common/whole_number.h"
#include "worker/launch/process.h"
#include "worker/launch/rank_protocol.h"

namespace tutti::worker {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

SteadyTime SteadyTimeAfter(Duration duration) { return std::chrono::steady_clock::now() + duration; }

constexpr int kNoOrders = 70;
constexpr std::array kForwardedSignals = {SIGUSR1, SIGTERM};

Result<OwnedDescriptor> Connect(const std::filesystem::path& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof(address.sun_path)) {
    return Fail(ErrorCode::kInvalid, "the path {} is too long for a socket", path.string());
  }
  std::strcpy(address.sun_path, path.c_str());
  OwnedDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return FailErrno(errno, "cannot make a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return FailErrno(errno, fmt::format("cannot reach the worker of this node at {}", path.string()));
  }
  return socket;
}

// False when the deadline passed first.
bool WaitFor(int descriptor, short events, SteadyTime deadline) {
  pollfd waiting{descriptor, events, 0};
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Result<void> SendLine(int socket, std::string line, SteadyTime deadline) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return FailErrno(errno, "cannot write to the worker");
    } else if (!WaitFor(socket, POLLOUT, deadline)) {
      return Fail(ErrorCode::kTimeout, "the worker does not listen");
    }
  }
  return {};
}

Result<std::string> ReceiveLine(int socket, SteadyTime deadline) {
  std::string line;
  while (line.size() < kLongestRankMessage) {
    if (!WaitFor(socket, POLLIN, deadline)) return Fail(ErrorCode::kTimeout, "the worker does not answer");
    std::array<char, 4096> piece;
    const ssize_t got = ::recv(socket, piece.data(), piece.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return FailErrno(errno, "cannot read from the worker");
    if (got == 0) return Fail(ErrorCode::kUnreachable, "the worker closed the connection");
    line.append(piece.data(), static_cast<size_t>(got));
    if (line.back() == '\n') return line.substr(0, line.size() - 1);
  }
  return Fail(ErrorCode::kInvalid, "the worker's orders are too long");
}

Result<RankOrders> AskForOrders(int socket, const RankHello& hello, Duration deadline) {
  const SteadyTime until = SteadyTimeAfter(deadline);
  TUTTI_RETURN_IF_ERROR(SendLine(socket, Encode(hello), until));
  TUTTI_ASSIGN_OR_RETURN(const std::string line, ReceiveLine(socket, until));
  return DecodeRankOrders(line);
}

Command TrainerCommand(const RankOrders& orders, Environment environment, int lifeline) {
  Command command;
  command.arguments = orders.arguments;
  command.environment = std::move(environment);
  for (const auto& [key, value] : orders.environment) command.environment[key] = value;
  command.group = Command::Group::kOwn;
  command.cpus = orders.cpus;
  command.kept_descriptors = {lifeline};
  command.ignored_signals = {SIGUSR1};  // a request that comes before the trainer listens must not kill it
  return command;
}

void ForwardSignals(int signals, const ChildProcess& trainer) {
  signalfd_siginfo info = {};
  while (::read(signals, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    trainer.Signal(static_cast<int>(info.ssi_signo));
  }
}

// Whether the worker has closed its end, or said something, which it never does once it gave its orders.
bool LifelineBroken(const pollfd& lifeline) { return lifeline.revents != 0; }

// With all that it started.
int End(ChildProcess& trainer) {
  trainer.SignalGroup(SIGKILL);
  return trainer.Reap();
}

// Until the trainer ends, by itself or because the worker or the launcher is gone.
int Watch(ChildProcess& trainer, int lifeline, int signals, int launcher) {
  std::array<pollfd, 4> watched = {
      {{trainer.descriptor(), POLLIN, 0}, {lifeline, POLLIN, 0}, {signals, POLLIN, 0}, {launcher, POLLIN, 0}}};
  while (true) {
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    const bool ended = watched[0].revents != 0 || watched[3].revents != 0;
    if (ended || LifelineBroken(watched[1])) return End(trainer);
    if (watched[2].revents != 0) ForwardSignals(signals, trainer);
  }
}

Result<int> RunTrainer(const RankOptions& options, int signals, const OwnedDescriptor& launcher) {
  const Environment environment = CurrentEnvironment();
  TUTTI_ASSIGN_OR_RETURN(const int rank, OwnRank(environment));
  TUTTI_ASSIGN_OR_RETURN(const OwnedDescriptor lifeline, Connect(options.socket));
  TUTTI_ASSIGN_OR_RETURN(const RankOrders orders,
                         AskForOrders(lifeline.get(), {options.attempt, rank}, options.orders_deadline));
  TUTTI_ASSIGN_OR_RETURN(const pid_t pid, StartProcess(TrainerCommand(orders, environment, lifeline.get())));
  TUTTI_ASSIGN_OR_RETURN(ChildProcess trainer, ChildProcess::Adopt(pid));
  const Result<void> told =
      SendLine(lifeline.get(), Encode(RankStarted{pid}), SteadyTimeAfter(options.orders_deadline));
  if (!told) {
    End(trainer);
    return tl::unexpected<Error>(told.error());
  }
  return Watch(trainer, lifeline.get(), signals, launcher.get());
}

}  // namespace

Result<int> OwnRank(const Environment& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    const auto found = environment.find(name);
    if (found == environment.end()) continue;
    if (const auto rank = ParseWholeNumber<int>(found->second)) return *rank;
    return Fail(ErrorCode::kInvalid, "{}={} is no rank", name, found->second);
  }
  return Fail(ErrorCode::kInvalid, "no launcher says which rank this is: `tutti rank` is started by mpirun or srun");
}

int RefuseRank(const AttemptId& attempt, const Error& why) {
  std::fprintf(stderr, "tutti rank %s: %s\n", attempt.str().c_str(), why.Text().c_str());
  return kNoOrders;
}

int RunRank(const RankOptions& options) {
  // First of all: the launcher may end, or pass a signal on, at any moment from now.
  const OwnedDescriptor launcher = OpenProcess(::getppid());
  sigset_t forwarded;
  sigemptyset(&forwarded);
  for (const int signal : kForwardedSignals) sigaddset(&forwarded, signal);
  ::sigprocmask(SIG_BLOCK, &forwarded, nullptr);
  const OwnedDescriptor signals(::signalfd(-1, &forwarded, SFD_NONBLOCK | SFD_CLOEXEC));

  const Result<int> exit_code = RunTrainer(options, signals.get(), launcher);
  if (exit_code) return *exit_code;
  return RefuseRank(options.attempt, exit_code.error());
}

}  // namespace tutti::worker
