#include "worker/trainer/training/stop_request.h"

#include <atomic>
#include <csignal>

namespace tutti::trainer {
namespace {

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set by a signal's handler");

void Request(int) { stop_requested.store(true, std::memory_order_relaxed); }

}  // namespace

void ListenForStopRequests() {
  struct sigaction action = {};
  action.sa_handler = Request;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool StopRequested() { return stop_requested.load(std::memory_order_relaxed); }

}  // namespace tutti::trainer
