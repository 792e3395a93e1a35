// The other end of an agent's channel, as a test plays it: all on the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "common/protocol/channel.h"

namespace tutti::worker {

class FakeCoordinator {
 public:
  // A failing test waits this long; a passing one no longer than it takes.
  static constexpr auto kPatience = std::chrono::seconds(60);

  protocol::Post post() {
    return [weak = std::weak_ptr(queue_)](std::function<void()> function) {
      const auto queue = weak.lock();
      if (!queue) return;
      const std::lock_guard lock(queue->mutex);
      queue->functions.push_back(std::move(function));
      queue->filled.notify_one();
    };
  }

  // `attach` hands the other end to the agent.
  void Connect(const protocol::Post& agents_post,
               const std::function<void(std::shared_ptr<protocol::Channel>)>& attach) {
    auto [mine, agents] = protocol::MakeLocalChannel(post(), agents_post);
    channel_ = std::move(mine);
    channel_->OnMessage([this](const std::string& text) {
      auto message = protocol::DecodeFromWorker(text);
      ASSERT_TRUE(message) << message.error().Text();
      heard_.push_back(std::move(*message));
    });
    channel_->OnClose([this] { closed_ = true; });
    closed_ = false;
    attach(std::move(agents));
  }

  void Say(protocol::ToWorker body) { SayAs(generation_, std::move(body)); }
  void SayAs(Generation generation, protocol::ToWorker body) {
    channel_->Send(protocol::Encode(protocol::ToWorkerMessage{generation, std::move(body)}));
  }

  // Lets what arrives be handled until `done`. False: it did not come to that.
  bool Until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      std::unique_lock lock(queue_->mutex);
      // Wakes by itself as well: `done` may look at files.
      queue_->filled.wait_for(lock, std::chrono::milliseconds(10), [&] { return !queue_->functions.empty(); });
      if (std::chrono::steady_clock::now() > deadline) return false;
      auto functions = std::exchange(queue_->functions, {});
      lock.unlock();
      for (const auto& function : functions) function();
    }
    return true;
  }

  // Waits for the next message of a kind, passing over others; each is found once.
  template <typename Body>
  Body Next() {
    std::optional<Body> found;
    const bool came = Until([&] {
      for (; position_ < heard_.size() && !found; ++position_) {
        if (const auto* body = std::get_if<Body>(&heard_[position_].body)) found = *body;
      }
      return found.has_value();
    });
    EXPECT_TRUE(came) << "the message that the test waits for did not come";
    return found.value_or(Body{});
  }

  // All of a kind that were heard since the last Connect.
  template <typename Body>
  std::vector<Body> Heard() const {
    std::vector<Body> result;
    for (const auto& message : heard_) {
      if (const auto* body = std::get_if<Body>(&message.body)) result.push_back(*body);
    }
    return result;
  }
  const std::vector<protocol::FromWorkerMessage>& heard() const { return heard_; }
  void Forget() {
    heard_.clear();
    position_ = 0;
  }
  void Close() { channel_->Close(); }
  bool closed() const { return closed_; }

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable filled;
    std::deque<std::function<void()>> functions;
  };

  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::shared_ptr<protocol::Channel> channel_;
  Generation generation_{5};
  std::vector<protocol::FromWorkerMessage> heard_;
  size_t position_ = 0;
  bool closed_ = false;
};

}  // namespace tutti::worker
