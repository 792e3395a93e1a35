#include "cli/signals.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "cli/exit_codes.h"

namespace tutti::cli {
namespace {

constexpr std::chrono::milliseconds kOneRequest(500);

bool IsIgnored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

struct StopSignals::State {
  explicit State(Handler to_call) : handler(std::move(to_call)), signals(context, SIGINT, SIGTERM, SIGUSR1) {
    if (!IsIgnored(SIGHUP)) signals.add(SIGHUP);
  }

  void Listen() {
    signals.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (IsNewRequest()) {
        Note(signal);
        handler(signal, ++count);
      }
      Listen();
    });
  }

  bool IsNewRequest() {
    const auto now = std::chrono::steady_clock::now();
    if (count > 0 && now - counted_at < kOneRequest) return false;
    counted_at = now;
    return true;
  }

  void Note(int signal) {
    const std::lock_guard lock(mutex);
    if (first == 0) first = signal;
    came.notify_all();
  }

  Handler handler;
  boost::asio::io_context context;
  boost::asio::signal_set signals;
  int count = 0;  // this and the next: of the listening thread alone
  std::chrono::steady_clock::time_point counted_at;

  std::mutex mutex;
  std::condition_variable came;
  int first = 0;

  std::thread thread;
};

StopSignals::StopSignals(Handler handler) : state_(std::make_unique<State>(std::move(handler))) {
  state_->Listen();
  state_->thread = std::thread([state = state_.get()] { state->context.run(); });
}

StopSignals::~StopSignals() {
  state_->context.stop();
  state_->thread.join();
}

int StopSignals::first() const {
  const std::lock_guard lock(state_->mutex);
  return state_->first;
}

void StopSignals::Wait(Duration time) const {
  std::unique_lock lock(state_->mutex);
  const int before = state_->first;
  state_->came.wait_for(lock, time, [&] { return state_->first != before; });
}

int ExitCodeOfSignal(int signal) { return kExitSignal + (signal == SIGINT || signal == SIGHUP ? signal : SIGTERM); }

}  // namespace tutti::cli
