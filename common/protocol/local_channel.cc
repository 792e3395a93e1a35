// Two ends of a conversation within one process.

#include <deque>
#include <mutex>

#include "common/protocol/channel.h"

namespace tutti::protocol {
namespace {

// What waits for one end. Filled from any thread, drained on the end's own.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  explicit Inbox(Post post) : post_(std::move(post)) {}

  void Put(std::string message) {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    messages_.push_back(std::move(message));
    Schedule();
  }

  // Nothing more will come. What has arrived before is still handed over.
  void End() {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    Schedule();
  }

  // The own end was closed: what has arrived and was not handed over yet is dropped.
  void EndAtOnce() {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    messages_.clear();
    Schedule();
  }

  void SetMessageHandler(std::function<void(std::string)> handler) {
    const std::lock_guard lock(mutex_);
    message_handler_ = std::make_shared<std::function<void(std::string)>>(std::move(handler));
    Schedule();
  }

  void SetCloseHandler(std::function<void()> handler) {
    const std::lock_guard lock(mutex_);
    close_handler_ = std::move(handler);
    Schedule();
  }

  // The end is gone: its handlers may point to what is gone with it.
  void DropHandlers() {
    const std::lock_guard lock(mutex_);
    message_handler_ = nullptr;
    close_handler_ = nullptr;
  }

 private:
  bool MessageReady() const { return message_handler_ && !messages_.empty(); }
  bool CloseReady() const { return close_handler_ && ending_ && messages_.empty(); }

  void Schedule() {
    if (scheduled_ || !(MessageReady() || CloseReady())) return;
    scheduled_ = true;
    post_([self = shared_from_this()] { self->Drain(); });
  }

  void Drain() {
    std::unique_lock lock(mutex_);
    while (MessageReady()) {
      const auto handler = message_handler_;
      std::string message = std::move(messages_.front());
      messages_.pop_front();
      lock.unlock();
      (*handler)(std::move(message));
      lock.lock();
    }
    scheduled_ = false;
    if (!CloseReady()) return;
    const auto handler = std::exchange(close_handler_, nullptr);
    // Handlers often own their end: they are let go so that it can be.
    const auto dropped = std::exchange(message_handler_, nullptr);
    lock.unlock();
    handler();
  }

  std::mutex mutex_;
  const Post post_;
  std::deque<std::string> messages_;
  std::shared_ptr<std::function<void(std::string)>> message_handler_;
  std::function<void()> close_handler_;
  bool ending_ = false;
  bool scheduled_ = false;
};

class LocalEnd : public Channel {
 public:
  LocalEnd(std::shared_ptr<Inbox> own, std::shared_ptr<Inbox> peer) : own_(std::move(own)), peer_(std::move(peer)) {}
  ~LocalEnd() override {
    own_->DropHandlers();
    peer_->End();
  }

  void Send(std::string message) override { peer_->Put(std::move(message)); }
  void Close() override {
    own_->EndAtOnce();
    peer_->End();
  }
  void OnMessage(std::function<void(std::string)> handler) override { own_->SetMessageHandler(std::move(handler)); }
  void OnClose(std::function<void()> handler) override { own_->SetCloseHandler(std::move(handler)); }

 private:
  const std::shared_ptr<Inbox> own_;
  const std::shared_ptr<Inbox> peer_;
};

}  // namespace

std::pair<std::shared_ptr<Channel>, std::shared_ptr<Channel>> MakeLocalChannel(Post post_first, Post post_second) {
  auto first = std::make_shared<Inbox>(std::move(post_first));
  auto second = std::make_shared<Inbox>(std::move(post_second));
  return {std::make_shared<LocalEnd>(first, second), std::make_shared<LocalEnd>(second, first)};
}

}  // namespace tutti::protocol
