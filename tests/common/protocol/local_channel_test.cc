// Two ends of a conversation within one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/protocol/channel.h"

namespace tutti::protocol {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A thread of one end, played by the test: what is posted runs when the test says so.
class Turn {
 public:
  Post post() {
    return [this](std::function<void()> work) { work_.push_back(std::move(work)); };
  }
  void Run() {
    while (!work_.empty()) {
      auto work = std::move(work_.front());
      work_.pop_front();
      work();
    }
  }

 private:
  std::deque<std::function<void()>> work_;
};

class LocalChannel : public ::testing::Test {
 protected:
  void Listen() {
    right_->OnMessage([this](std::string message) { heard_.push_back(std::move(message)); });
    right_->OnClose([this] { heard_.push_back("(closed)"); });
    left_->OnClose([this] { ++left_closed_; });
  }
  void RunBoth() {
    left_turn_.Run();
    right_turn_.Run();
  }

  Turn left_turn_, right_turn_;
  std::vector<std::string> heard_;
  int left_closed_ = 0;
  std::shared_ptr<Channel> left_, right_;

  void SetUp() override { std::tie(left_, right_) = MakeLocalChannel(left_turn_.post(), right_turn_.post()); }
};

TEST_F(LocalChannel, HandsOverInOrderOnTheReceiversTurnNeverInsideSend) {
  Listen();
  left_->Send("one");
  left_->Send("two");
  left_turn_.Run();
  EXPECT_THAT(heard_, IsEmpty());
  right_turn_.Run();
  EXPECT_THAT(heard_, ElementsAre("one", "two"));
}

TEST_F(LocalChannel, CarriesBothWays) {
  std::vector<std::string> left_heard;
  left_->OnMessage([&](std::string message) { left_heard.push_back(std::move(message)); });
  right_->OnMessage([&](std::string message) { right_->Send("re: " + message); });
  left_->Send("hello");
  right_turn_.Run();
  left_turn_.Run();
  EXPECT_THAT(left_heard, ElementsAre("re: hello"));
}

TEST_F(LocalChannel, KeepsWhatCameBeforeAnyoneListened) {
  left_->Send("early");
  left_->Close();
  right_turn_.Run();
  Listen();
  RunBoth();
  EXPECT_THAT(heard_, ElementsAre("early", "(closed)"));
}

TEST_F(LocalChannel, CloseArrivesAfterTheMessagesBeforeItAndOnce) {
  Listen();
  left_->Send("last words");
  left_->Close();
  left_->Close();
  right_->Close();
  RunBoth();
  EXPECT_EQ(left_closed_, 1);
  EXPECT_THAT(heard_, ElementsAre("(closed)")) << "an end that closed hears nothing more";

  std::tie(left_, right_) = MakeLocalChannel(left_turn_.post(), right_turn_.post());
  heard_.clear();
  Listen();
  left_->Send("last words");
  left_->Close();
  left_->Send("too late");
  RunBoth();
  RunBoth();
  EXPECT_THAT(heard_, ElementsAre("last words", "(closed)"));
}

TEST_F(LocalChannel, LosingAnEndClosesTheOther) {
  Listen();
  left_.reset();
  RunBoth();
  EXPECT_THAT(heard_, ElementsAre("(closed)"));
}

TEST_F(LocalChannel, HandlersOfALostEndAreNeverCalled) {
  Listen();
  left_->Send("for nobody");
  right_.reset();
  right_turn_.Run();
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(LocalChannel, AHandlerMayCloseAndDropItsOwnEnd) {
  right_->OnMessage([this](std::string message) {
    heard_.push_back(std::move(message));
    right_->Close();
    right_.reset();
  });
  left_->Send("one");
  left_->Send("two");
  RunBoth();
  EXPECT_THAT(heard_, ElementsAre("one"));
}

// A real thread that runs what is posted to it.
class Runner {
 public:
  Runner() : thread_([this] { Loop(); }) {}
  ~Runner() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Post post() {
    return [this](std::function<void()> work) {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
      changed_.notify_all();
    };
  }

 private:
  void Loop() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return done_ || !work_.empty(); });
      if (work_.empty()) return;
      auto work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool done_ = false;
  std::thread thread_;
};

TEST(LocalChannelOnThreads, KeepsEachSendersOrderAndLosesNothing) {
  constexpr int kMessages = 2000;
  constexpr int kSenders = 3;
  std::vector<std::vector<int>> heard(kSenders);
  {
    Runner left_runner, right_runner;
    auto [left, right] = MakeLocalChannel(left_runner.post(), right_runner.post());
    right->OnMessage([&](std::string message) {
      heard[static_cast<size_t>(message[0] - '0')].push_back(std::stoi(message.substr(1)));
    });
    std::vector<std::thread> senders;
    for (int sender = 0; sender < kSenders; ++sender) {
      senders.emplace_back([sender, &end = *left] {
        for (int i = 0; i < kMessages; ++i) end.Send(std::to_string(sender) + std::to_string(i));
      });
    }
    for (auto& sender : senders) sender.join();
    std::mutex mutex;
    std::condition_variable changed;
    bool closed = false;
    right->OnClose([&] {
      const std::lock_guard lock(mutex);
      closed = true;
      changed.notify_all();
    });
    left->Close();
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return closed; }));
  }
  for (const auto& numbers : heard) {
    ASSERT_EQ(numbers.size(), static_cast<size_t>(kMessages));
    for (int i = 0; i < kMessages; ++i) ASSERT_EQ(numbers[static_cast<size_t>(i)], i);
  }
}

}  // namespace
}  // namespace tutti::protocol
