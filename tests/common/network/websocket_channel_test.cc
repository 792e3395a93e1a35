// Two ends of a channel over a real WebSocket.
#include "common/network/websocket_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace tutti::network {
namespace {

namespace asio = boost::asio;
using asio::generic::stream_protocol;
using boost::system::error_code;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kPatience = std::chrono::seconds(60);

// What one end hears.
class Ear {
 public:
  void Listen(protocol::Channel& end) {
    end.OnMessage([this](std::string message) { Note([&] { heard_.push_back(std::move(message)); }); });
    end.OnClose([this] { Note([&] { ++closed_; }); });
  }
  std::vector<std::string> Wait(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return heard_.size() >= count; });
    return heard_;
  }
  bool WaitForClose() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return closed_ > 0; });
  }
  int closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  template <typename Change>
  void Note(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> heard_;
  int closed_ = 0;
};

class WebSocketChannel : public ::testing::Test {
 protected:
  WebSocketChannel() {
    int pair[2];
    TUTTI_CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    WebSocket server(stream_protocol::socket(io_, stream_protocol(AF_UNIX, 0), pair[0]), nullptr);
    WebSocket client(stream_protocol::socket(io_, stream_protocol(AF_UNIX, 0), pair[1]), nullptr);
    client_descriptor_ = pair[1];
    std::promise<void> shaken;
    server.async_accept([&](error_code error) {
      TUTTI_CHECK(!error);
      shaken.set_value();
    });
    client.async_handshake("localhost", "/", [&](error_code error) { TUTTI_CHECK(!error); });
    thread_ = std::thread([this] { io_.run(); });
    shaken.get_future().wait();
    std::promise<void> made;
    asio::post(io_, [&] {
      left_ = MakeWebSocketChannel(std::move(server), Post(), [this] { ++left_over_; });
      right_ = MakeWebSocketChannel(std::move(client), Post());
      made.set_value();
    });
    made.get_future().wait();
    left_ear_.Listen(*left_);
    right_ear_.Listen(*right_);
  }
  ~WebSocketChannel() override {
    left_.reset();
    right_.reset();
    guard_.reset();
    thread_.join();  // returns when nothing of the connection is left
  }

  protocol::Post Post() {
    return [this](std::function<void()> work) { asio::post(io_, std::move(work)); };
  }

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_ = asio::make_work_guard(io_);
  std::thread thread_;
  int client_descriptor_ = -1;
  std::atomic<int> left_over_{0};
  Ear left_ear_, right_ear_;
  std::shared_ptr<protocol::Channel> left_, right_;
};

TEST_F(WebSocketChannel, HandsOverWholeMessagesInOrder) {
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) sent.push_back(std::string(static_cast<size_t>(i) * 997, 'x') + std::to_string(i));
  for (const std::string& message : sent) left_->Send(message);
  EXPECT_EQ(right_ear_.Wait(sent.size()), sent);
  right_->Send("back");
  EXPECT_THAT(left_ear_.Wait(1), ElementsAre("back"));
}

TEST_F(WebSocketChannel, WhatWasSentBeforeACloseArrives) {
  left_->Send("last words");
  left_->Close();
  EXPECT_THAT(right_ear_.Wait(1), ElementsAre("last words"));
  EXPECT_TRUE(right_ear_.WaitForClose());
  EXPECT_TRUE(left_ear_.WaitForClose());
  left_->Send("too late");
  EXPECT_EQ(right_ear_.Wait(1).size(), 1u);
}

TEST_F(WebSocketChannel, AnEndThatGoesClosesTheOther) {
  right_.reset();
  EXPECT_TRUE(left_ear_.WaitForClose());
  EXPECT_EQ(right_ear_.closed(), 0) << "whoever let it go hears nothing more of it";
}

TEST_F(WebSocketChannel, ABrokenConnectionIsToldOnce) {
  ::shutdown(client_descriptor_, SHUT_RDWR);
  EXPECT_TRUE(left_ear_.WaitForClose());
  EXPECT_TRUE(right_ear_.WaitForClose());
  left_->Close();
  left_->Close();
  std::promise<void> later;
  asio::post(io_, [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(left_ear_.closed(), 1);
  EXPECT_EQ(left_over_, 1);
}

TEST_F(WebSocketChannel, AMessageBeyondTheLimitEndsTheConnection) {
  left_->Send(std::string(kLargestMessage + 1, 'x'));
  EXPECT_TRUE(right_ear_.WaitForClose());
  EXPECT_TRUE(left_ear_.WaitForClose());
  EXPECT_THAT(right_ear_.Wait(0), IsEmpty());
}

TEST_F(WebSocketChannel, APeerThatTakesNothingIsLetGo) {
  // Nobody reads what this end is sent: its thread is busy.
  std::promise<void> free;
  asio::post(io_, [&] { free.get_future().wait(); });
  for (size_t sent = 0; sent <= kLongestQueue; sent += kLargestMessage / 2) {
    left_->Send(std::string(kLargestMessage / 2, 'x'));
  }
  free.set_value();
  EXPECT_TRUE(left_ear_.WaitForClose());
}

}  // namespace
}  // namespace tutti::network
