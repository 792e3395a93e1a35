#include "worker/transfer/courier.h"

#include <array>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace tutti::worker {
namespace {

// One carries a large checkpoint while the other sees to what is small.
constexpr size_t kThreads = 2;

}  // namespace

class Courier::Impl {
 public:
  Impl(const network::Peer& coordinator, Duration deadline, protocol::Post post)
      : post_(std::move(post)), exchanges_{{{coordinator, deadline}, {coordinator, deadline}}} {
    try {
      for (size_t i = 0; i < kThreads; ++i) threads_[i] = std::thread([this, i] { Run(exchanges_[i]); });
    } catch (...) {
      End();
      throw;
    }
  }

  ~Impl() { End(); }

  void End() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    for (Exchange& exchange : exchanges_) exchange.Cancel();
    filled_.notify_all();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  void Do(Work work, Done done) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(std::move(work), std::move(done));
    filled_.notify_one();
  }

 private:
  void Run(Exchange& exchange) {
    std::unique_lock lock(mutex_);
    while (true) {
      // The coordinator has better use for a connection that nothing crosses.
      if (waiting_.empty()) exchange.Disconnect();
      filled_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (ending_) return;
      auto [work, done] = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      Carry(exchange, std::move(work), std::move(done));
      lock.lock();
    }
  }

  void Carry(Exchange& exchange, Work work, Done done) {
    Result<void> outcome;
    try {
      outcome = work(exchange);
    } catch (const std::exception& error) {
      outcome = Fail(ErrorCode::kInternal, "files could not be carried: {}", error.what());
    }
    post_([done = std::move(done), outcome = std::move(outcome)] { done(outcome); });
  }

  const protocol::Post post_;
  std::array<Exchange, kThreads> exchanges_;
  std::array<std::thread, kThreads> threads_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable filled_;
  std::deque<std::pair<Work, Done>> waiting_;
  bool ending_ = false;
};

Courier::Courier(network::Peer coordinator, Duration deadline, protocol::Post post)
    : impl_(std::make_unique<Impl>(coordinator, deadline, std::move(post))) {}
Courier::~Courier() = default;

void Courier::Do(Work work, Done done) { impl_->Do(std::move(work), std::move(done)); }

}  // namespace tutti::worker
