#include "common/protocol/inbox.h"

#include <utility>

namespace tutti::protocol {

void Inbox::Put(std::string message) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  messages_.push_back(std::move(message));
  Schedule();
}

void Inbox::End() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  Schedule();
}

void Inbox::EndAtOnce() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  messages_.clear();
  Schedule();
}

void Inbox::SetMessageHandler(std::function<void(std::string)> handler) {
  const std::lock_guard lock(mutex_);
  message_handler_ = std::make_shared<std::function<void(std::string)>>(std::move(handler));
  Schedule();
}

void Inbox::SetCloseHandler(std::function<void()> handler) {
  const std::lock_guard lock(mutex_);
  close_handler_ = std::move(handler);
  Schedule();
}

void Inbox::DropHandlers() {
  const std::lock_guard lock(mutex_);
  message_handler_ = nullptr;
  close_handler_ = nullptr;
}

void Inbox::Schedule() {
  if (scheduled_ || !(MessageReady() || CloseReady())) return;
  scheduled_ = true;
  post_([self = shared_from_this()] { self->Drain(); });
}

void Inbox::Drain() {
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

}  // namespace tutti::protocol
