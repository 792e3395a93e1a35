// What no well-behaved peer sends: the coordinator answers or hangs up, and goes on serving the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <random>

#include "common/protocol/channel.h"
#include "coordinator/server/access.h"
#include "coordinator/server/coordinator.h"
#include "raw_client.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using testing::RawClient;

constexpr int kRequests = 10'000;
constexpr int kConversations = 500;
constexpr int kFramesEach = 20;

class Malformed : public ::testing::Test {
 protected:
  Malformed() {
    spdlog::set_level(spdlog::level::err);  // each of thousands is warned of
    CoordinatorOptions options;
    options.home = home();
    options.listen = network::Address{"127.0.0.1", 0, false};
    auto started = Coordinator::Start(options);
    TUTTI_CHECK(started);
    coordinator_ = std::move(*started);
    token_ = ReadOrMakeTokens(PosixFileSystem(), home()).value().for_operator;
  }
  ~Malformed() override { spdlog::set_level(spdlog::level::info); }
  std::filesystem::path home() const { return folder_ / "runs"; }
  uint16_t port() const { return coordinator_->address()->port; }
  bool Serves() { return testing::Request(home(), "GET", "/healthz").status == 200; }
  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }
  char Byte() { return static_cast<char>(Below(256)); }

  // A well-formed text with some of its bytes changed, left out, repeated or put in.
  std::string Spoilt(std::string text) {
    for (size_t change = 1 + Below(6); change > 0 && !text.empty(); --change) {
      const size_t at = Below(text.size());
      switch (Below(5)) {
        case 0:
          text[at] = Byte();
          break;
        case 1:
          text.erase(at, 1 + Below(20));
          break;
        case 2:
          text.insert(at, text.substr(at, 1 + Below(40)));
          break;
        case 3:
          text.insert(at, 1 + Below(300), Byte());
          break;
        default:
          text.resize(at);
      }
    }
    return text;
  }
  std::string SomeRequest() {
    static const std::vector<std::string> kTargets = {"/healthz",
                                                      "/api/v1/ensembles",
                                                      "/api/v1/ensembles/last",
                                                      "/api/v1/ensembles/..%2f..%2fetc/members/x/log?offset=1",
                                                      "/api/v1/ensembles/a-1/members/m/log?attempt=1&offset=0",
                                                      "/api/v1/ensembles/a-1/cancel",
                                                      "/api/v1/workers",
                                                      "/api/v1/workers/channel"};
    static const std::vector<std::string> kMethods = {"GET", "POST", "DELETE", "PUT"};
    static const std::vector<std::string> kBodies = {"", "{}", R"({"experiment": {"name": "x"}})", "[[[[[[[[",
                                                     "\xff\xfe"};
    const std::string& body = kBodies[Below(kBodies.size())];
    return fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{}",
                       kMethods[Below(kMethods.size())], kTargets[Below(kTargets.size())], token_, body.size(), body);
  }

  static constexpr const char* kHandshake =
      "GET /api/v1/workers/channel HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\n\r\n";

  // One masked frame of a client.
  static std::string Frame(std::string_view text, int opcode) {
    std::string frame(1, static_cast<char>(0x80 | opcode));
    if (text.size() < 126) {
      frame += static_cast<char>(0x80 | text.size());
    } else {
      frame += static_cast<char>(0x80 | 126);
      frame += static_cast<char>(text.size() >> 8);
      frame += static_cast<char>(text.size() & 255);
    }
    return frame + std::string(4, '\0') + std::string(text);
  }
  std::string SomeMessage() {
    const Incarnation incarnation{static_cast<int64_t>(Below(3))};
    protocol::Hello hello;
    hello.worker = WorkerId(fmt::format("w{}", Below(3)));
    hello.incarnation = incarnation;
    hello.slots = static_cast<int>(Below(5));
    const AttemptId attempt{{EnsembleId("a-1"), "m"}, 1};
    const std::vector<protocol::FromWorker> bodies = {hello,
                                                      hello,
                                                      protocol::Heartbeat{},
                                                      protocol::AttemptStarted{attempt},
                                                      protocol::AttemptExited{attempt, 3, "x"},
                                                      protocol::SlotsFree{attempt, {0, 7, -1}}};
    return protocol::Encode(protocol::FromWorkerMessage{Generation{static_cast<int64_t>(Below(4))}, incarnation,
                                                        bodies[Below(bodies.size())]});
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Coordinator> coordinator_;
  std::string token_;
  std::mt19937 random_{1};
};

TEST_F(Malformed, RequestsHarmNobody) {
  for (int i = 0; i < kRequests; ++i) {
    RawClient client(port());
    ASSERT_TRUE(client.connected()) << "after " << i;
    client.Send(Spoilt(SomeRequest()));
    if (i % 1000 == 0) {
      ASSERT_TRUE(Serves()) << "after " << i;
    }
  }
  EXPECT_TRUE(Serves());
  EXPECT_FALSE(coordinator_->failure());
}

TEST_F(Malformed, FramesHarmNobody) {
  static constexpr int kOpcodes[] = {0, 1, 1, 1, 1, 2, 8, 9, 10, 3, 15};
  for (int i = 0; i < kConversations; ++i) {
    RawClient client(port());
    ASSERT_TRUE(client.connected()) << "after " << i;
    client.Send(fmt::format(kHandshake, token_));
    const auto answer = client.Receive();
    ASSERT_TRUE(answer && answer->status == 101) << "after " << i;
    for (int frame = 0; frame < kFramesEach; ++frame) {
      const std::string message = Below(2) == 0 ? SomeMessage() : Spoilt(SomeMessage());
      const std::string whole = Frame(message.substr(0, 60'000), kOpcodes[Below(std::size(kOpcodes))]);
      client.Send(Below(8) == 0 ? Spoilt(whole) : whole);
    }
    if (i % 100 == 0) {
      ASSERT_TRUE(Serves()) << "after " << i;
    }
  }
  EXPECT_TRUE(Serves());
  EXPECT_FALSE(coordinator_->failure());
}

}  // namespace
}  // namespace tutti::server
