#include "coordinator/server/worker_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace tutti::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The coordinator's end of a channel, moved by the test's hand.
class Line : public protocol::Channel {
 public:
  void Send(std::string message) override { sent.push_back(std::move(message)); }
  void Close() override { closed = true; }
  void OnMessage(std::function<void(std::string)> handler) override { on_message_ = std::move(handler); }
  void OnClose(std::function<void()> handler) override { on_close_ = std::move(handler); }

  void Hear(protocol::FromWorker body, int64_t incarnation) {
    on_message_(
        protocol::Encode(protocol::FromWorkerMessage{Generation{1}, Incarnation{incarnation}, std::move(body)}));
  }
  void Break() { on_close_(); }

  std::vector<std::string> sent;
  bool closed = false;

 private:
  std::function<void(std::string)> on_message_;
  std::function<void()> on_close_;
};

protocol::Hello HelloOf(const char* worker, int64_t incarnation) {
  protocol::Hello hello;
  hello.worker = WorkerId(worker);
  hello.incarnation = Incarnation{incarnation};
  return hello;
}

class Sessions : public ::testing::Test {
 protected:
  std::shared_ptr<Line> Attached() {
    auto line = std::make_shared<Line>();
    sessions_.Attach(line);
    return line;
  }
  template <typename Kind>
  int Count() const {
    int count = 0;
    for (const core::Event& event : events_) count += std::holds_alternative<Kind>(event) ? 1 : 0;
    return count;
  }
  std::vector<core::Event> events_;
  WorkerSessions sessions_{Generation{1}, [this](core::Event event) { events_.push_back(std::move(event)); }};
};

TEST_F(Sessions, AChannelStaysWithTheProcessThatOpenedIt) {
  for (const auto& other : {HelloOf("n2", 1), HelloOf("n1", 2)}) {
    events_.clear();
    const auto line = Attached();
    line->Hear(HelloOf("n1", 1), 1);
    line->Hear(other, other.incarnation.value);
    ASSERT_THAT(line->sent, SizeIs(1));
    EXPECT_THAT(line->sent[0], HasSubstr("opened by n1"));
    EXPECT_TRUE(line->closed);
    EXPECT_EQ(Count<core::WorkerJoined>(), 1);
    line->Break();
    EXPECT_EQ(Count<core::WorkerDisconnected>(), 1);
    EXPECT_EQ(sessions_.Find(WorkerId("n1"), Incarnation{1}), nullptr);
    EXPECT_EQ(sessions_.Find(other.worker, other.incarnation), nullptr);
  }
}

TEST_F(Sessions, WhatIsMeantForOneProcessReachesNoOtherOfItsName) {
  const auto older = Attached();
  const auto newer = Attached();
  older->Hear(HelloOf("n1", 1), 1);
  newer->Hear(HelloOf("n1", 2), 2);
  sessions_.Tell(WorkerId("n1"), Incarnation{1}, protocol::Welcome{});
  sessions_.Tell(WorkerId("n1"), Incarnation{3}, protocol::Welcome{});
  EXPECT_THAT(older->sent, SizeIs(1));
  EXPECT_THAT(newer->sent, IsEmpty());
}

}  // namespace
}  // namespace tutti::server
