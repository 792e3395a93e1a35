#include "worker/launch/supervision.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <utility>

namespace tutti::worker {
namespace {

namespace asio = boost::asio;
using ErrorCodeOfAsio = boost::system::error_code;

constexpr size_t kPieceBytes = size_t{1} << 16;
// A killed process is gone within microseconds, one that waits for a disk later: nothing tells of it.
constexpr auto kGroupPoll = std::chrono::milliseconds(20);

struct Pipe {
  OwnedDescriptor reader;
  OwnedDescriptor writer;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "cannot make a pipe for a trainer's output");
  return Pipe{OwnedDescriptor(ends[0]), OwnedDescriptor(ends[1])};
}

}  // namespace

struct Supervision::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, ChildProcess child, OwnedDescriptor end_of_child, OwnedDescriptor output_reader,
        LogFile log_file, Handlers given)
      : process(std::move(child)),
        group(process.pid()),
        end(context),
        output(context),
        group_poll(context),
        log(std::move(log_file)),
        handlers(std::move(given)) {
    // A descriptor is given away once it is taken.
    end.assign(end_of_child.get());
    end_of_child.Release();
    output.assign(output_reader.get());
    output_reader.Release();
  }

  void Begin() {
    output.non_blocking(true);
    ReadOutput();
    end.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](ErrorCodeOfAsio error) {
      if (!error && !self->closed) self->HandleEnd();
    });
  }

  // Waits, then reads: nothing is ever taken from the pipe that is not in the log yet, so that the end can drain it.
  void ReadOutput() {
    output.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](ErrorCodeOfAsio error) {
      if (error || self->closed || !self->output.is_open()) return;
      if (self->ReadPiece() != Piece::kEnd) self->ReadOutput();
    });
  }

  enum class Piece { kRead, kNone, kEnd };
  Piece ReadPiece() {
    ErrorCodeOfAsio error;
    const size_t length = output.read_some(asio::buffer(piece), error);
    if (error == asio::error::would_block || error == asio::error::interrupted) return Piece::kNone;
    if (error) return Piece::kEnd;
    log.Append({piece.data(), length});
    return Piece::kRead;
  }

  void HandleEnd() {
    process.SignalGroup(SIGKILL);
    const int exit_code = process.Reap();
    DrainOutput();
    handlers.on_exit(exit_code);
    if (!closed) WaitForGroup();
  }

  // What the pipe holds now. Whoever could write more was killed; the bound is for those who died too slowly.
  void DrainOutput() {
    constexpr int kMostPieces = 64;
    for (int pieces = 0; pieces < kMostPieces && ReadPiece() == Piece::kRead; ++pieces) {
    }
    ErrorCodeOfAsio ignored;
    output.close(ignored);
  }

  void WaitForGroup() {
    if (!GroupLives(group)) {
      return handlers.on_gone();
    }
    group_poll.expires_after(kGroupPoll);
    group_poll.async_wait([self = shared_from_this()](ErrorCodeOfAsio error) {
      if (!error && !self->closed) self->WaitForGroup();
    });
  }

  void Close() {
    closed = true;
    process.SignalGroup(SIGKILL);
    ErrorCodeOfAsio ignored;
    end.close(ignored);
    output.close(ignored);
    group_poll.cancel();
  }

  ChildProcess process;
  pid_t group;
  asio::posix::stream_descriptor end;
  asio::posix::stream_descriptor output;
  asio::steady_timer group_poll;
  LogFile log;
  Handlers handlers;
  std::array<char, kPieceBytes> piece;
  bool closed = false;
};

Result<std::unique_ptr<Supervision>> Supervision::Start(asio::io_context& context, Spawner& spawner, Command command,
                                                        LogFile log, Handlers handlers) {
  TUTTI_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
  command.group = Command::Group::kOwn;
  command.output = pipe.writer.get();
  TUTTI_ASSIGN_OR_RETURN(const pid_t pid, spawner.Start(command));
  pipe.writer.Close();
  auto state = Watch(context, pid, std::move(pipe.reader), std::move(log), std::move(handlers));
  if (!state) {
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return tl::unexpected<Error>(std::move(state.error()));
  }
  return std::unique_ptr<Supervision>(new Supervision(std::move(*state)));
}

// Asio throws when it cannot watch a descriptor: out of them, or of memory.
Result<std::shared_ptr<Supervision::State>> Supervision::Watch(asio::io_context& context, pid_t pid,
                                                               OwnedDescriptor output, LogFile log,
                                                               Handlers handlers) try {
  TUTTI_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Adopt(pid));
  OwnedDescriptor end(::fcntl(process.descriptor(), F_DUPFD_CLOEXEC, 0));
  if (end.get() < 0) return FailErrno(errno, fmt::format("cannot watch process {}", pid));
  auto state = std::make_shared<State>(context, std::move(process), std::move(end), std::move(output), std::move(log),
                                       std::move(handlers));
  state->Begin();
  return state;
} catch (const std::exception& error) {
  return Fail(ErrorCode::kInternal, "cannot watch process {}: {}", pid, error.what());
}

Supervision::Supervision(std::shared_ptr<State> state) : state_(std::move(state)) {}

Supervision::~Supervision() { state_->Close(); }

pid_t Supervision::pid() const { return state_->group; }

void Supervision::Signal(int signal) { state_->process.Signal(signal); }

void Supervision::KillGroup() { state_->process.SignalGroup(SIGKILL); }

std::string Supervision::LastLogLines() const { return state_->log.LastLines(); }

}  // namespace tutti::worker
