// What has arrived for one end of a channel and waits for its thread: the receiving half of every Channel.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/protocol/channel.h"

namespace tutti::protocol {

// Filled from any thread, drained on the end's own, through its `post`.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  explicit Inbox(Post post) : post_(std::move(post)) {}

  void Put(std::string message);
  // Nothing more will come. What has arrived before is still handed over.
  void End();
  // The own end was closed: what has arrived and was not handed over yet is dropped.
  void EndAtOnce();

  void SetMessageHandler(std::function<void(std::string)> handler);
  void SetCloseHandler(std::function<void()> handler);
  // The end is gone: its handlers may point to what is gone with it.
  void DropHandlers();

 private:
  bool MessageReady() const { return message_handler_ && !messages_.empty(); }
  bool CloseReady() const { return close_handler_ && ending_ && messages_.empty(); }
  void Schedule();
  void Drain();

  std::mutex mutex_;
  const Post post_;
  std::deque<std::string> messages_;
  std::shared_ptr<std::function<void(std::string)>> message_handler_;
  std::function<void()> close_handler_;
  bool ending_ = false;
  bool scheduled_ = false;
};

}  // namespace tutti::protocol
