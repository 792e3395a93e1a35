// HTTP on a home's Unix socket: what is kept, what is refused, and that no peer can hold it up.
#include "coordinator/server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "common/network/home_socket.h"
#include "raw_client.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace asio = boost::asio;
using testing::Answer;
using ::testing::HasSubstr;
using testing::RawClient;

// A server whose answers say what was asked.
class Echo {
 public:
  explicit Echo(std::filesystem::path home, ApiLimits limits = {}) : home_(std::move(home)) {
    auto server = HttpServer::Listen(events_, home_, limits,
                                     [this](HttpRequest request, Respond respond) { Handle(request, respond); });
    TUTTI_CHECK(server);
    server_ = std::move(*server);
    thread_ = std::thread([this] {
      const auto guard = asio::make_work_guard(events_);
      events_.run();
    });
  }
  ~Echo() {
    events_.stop();
    thread_.join();
    held_.clear();
    server_.reset();
  }

  void Stop() {
    asio::post(events_, [this] { server_->Stop([this] { Note([this] { drained_ = true; }); }); });
  }
  bool WaitForDrained() {
    return WaitUntil([this] { return drained_; });
  }
  bool WaitForHeld() {
    return WaitUntil([this] { return !held_.empty(); });
  }
  void AnswerHeld() {
    const std::lock_guard lock(mutex_);
    for (const Respond& respond : held_) respond({200, "text/plain", "at last"});
    held_.clear();
  }
  void DropHeld() {
    asio::post(events_, [this] {
      const std::lock_guard lock(mutex_);
      held_.clear();
    });
  }

 private:
  void Handle(const HttpRequest& request, const Respond& respond) {
    if (request.path == "/hold") return Note([&] { held_.push_back(respond); });
    Json document = {{"path", request.path}, {"bytes", request.body.size()}, {"segments", request.segments}};
    document["method"] = static_cast<int>(request.method);
    for (const auto& [key, value] : request.query) document["query"][key] = value;
    respond(JsonResponse(document));
  }
  template <typename Change>
  void Note(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <typename Condition>
  bool WaitUntil(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, testing::kPatience, condition);
  }

  const std::filesystem::path home_;
  asio::io_context events_{1};
  std::unique_ptr<HttpServer> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Respond> held_;
  bool drained_ = false;
  std::thread thread_;
};

class Http : public ::testing::Test {
 protected:
  const std::filesystem::path& home() const { return folder_.path(); }
  testing::TemporaryFolder folder_;
};

TEST_F(Http, TakesTheTargetApart) {
  Echo echo(home());
  const Json json = testing::Request(home(), "GET", "/a/b.c?x=1&y&z=2=3").json();
  EXPECT_EQ(json["path"], "/a/b.c");
  EXPECT_EQ(json["segments"], Json({"a", "b.c"}));
  EXPECT_EQ(json["query"], Json({{"x", "1"}, {"y", ""}, {"z", "2=3"}}));
}

TEST_F(Http, KeepsAConnectionForManyRequests) {
  Echo echo(home());
  RawClient client(home());
  for (int i = 0; i < 100; ++i) {
    const auto answer = client.Ask("POST", "/x", std::string(static_cast<size_t>(i) * 100, 'x'));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->json()["bytes"], i * 100);
  }
}

TEST_F(Http, AnswersPipelinedRequestsInTurn) {
  Echo echo(home());
  RawClient client(home());
  client.Send("GET /1 HTTP/1.1\r\nHost: t\r\n\r\nGET /2 HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(client.Receive().value().json()["path"], "/1");
  EXPECT_EQ(client.Receive().value().json()["path"], "/2");
}

TEST_F(Http, ClosesWhenAskedTo) {
  Echo echo(home());
  RawClient client(home());
  client.Send("GET /1 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.Receive().value().status, 200);
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(Http, TakesABodyUpToItsLimitAndRefusesOneByteMore) {
  ApiLimits limits;
  limits.body_bytes = 1000;
  Echo echo(home(), limits);
  EXPECT_EQ(testing::Request(home(), "POST", "/x", std::string(1000, 'x')).json()["bytes"], 1000);
  const Answer refused = testing::Request(home(), "POST", "/x", std::string(1001, 'x'));
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.json()["code"], "invalid");
  EXPECT_THAT(refused.body, HasSubstr("1000 bytes"));
}

// The refusal reaches even a client that goes on sending: its bytes are read and thrown away.
TEST_F(Http, RefusalReachesAClientThatKeepsSending) {
  ApiLimits limits;
  limits.body_bytes = 1000;
  Echo echo(home(), limits);
  EXPECT_EQ(testing::Request(home(), "POST", "/x", std::string(5'000'000, 'x')).status, 413);
}

TEST_F(Http, ChunkedBodyHasTheSameLimit) {
  ApiLimits limits;
  limits.body_bytes = 1000;
  Echo echo(home(), limits);
  RawClient client(home());
  client.Send("POST /x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 11; ++i) client.Send("64\r\n" + std::string(100, 'x') + "\r\n");
  EXPECT_EQ(client.Receive().value().status, 413);
}

TEST_F(Http, RefusesAnEndlessHeader) {
  Echo echo(home());
  RawClient client(home());
  client.Send("GET /x HTTP/1.1\r\nX: " + std::string(20'000, 'x'));
  EXPECT_EQ(client.Receive().value().status, 431);
}

TEST_F(Http, RefusesWhatIsNoHttp) {
  Echo echo(home());
  RawClient client(home());
  client.Send("hello there\r\n\r\n");
  const auto answer = client.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(Http, AClientThatStopsInTheMiddleIsLetGoAtTheDeadline) {
  ApiLimits limits;
  limits.deadline = std::chrono::milliseconds(20);
  Echo echo(home(), limits);
  RawClient silent(home());
  RawClient halfway(home());
  halfway.Send("POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_TRUE(silent.WaitForClose());
  EXPECT_TRUE(halfway.WaitForClose());
  EXPECT_EQ(testing::Request(home(), "GET", "/still-there").status, 200);
}

TEST_F(Http, AClientThatDoesNotReadIsLetGoAtTheDeadline) {
  ApiLimits limits;
  limits.deadline = std::chrono::milliseconds(20);
  Echo echo(home(), limits);
  RawClient deaf(home());
  // Answers fill the socket until the server cannot write any more, and then it gives up: the client's send fails.
  for (int i = 0; i < 20'000; ++i) deaf.Send("GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_TRUE(deaf.WaitForClose());
  EXPECT_EQ(testing::Request(home(), "GET", "/still-there").status, 200);
}

TEST_F(Http, AClientThatGoesAwayHarmsNobody) {
  Echo echo(home());
  {
    RawClient rude(home());
    rude.Send("GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
    ASSERT_TRUE(echo.WaitForHeld());
  }
  echo.AnswerHeld();
  EXPECT_EQ(testing::Request(home(), "GET", "/still-there").status, 200);
}

TEST_F(Http, ARequestThatNobodyAnswersIsClosed) {
  Echo echo(home());
  RawClient client(home());
  client.Send("GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(echo.WaitForHeld());
  echo.DropHeld();
  EXPECT_TRUE(client.WaitForClose());
  EXPECT_EQ(testing::Request(home(), "GET", "/still-there").status, 200);
  echo.Stop();
  EXPECT_TRUE(echo.WaitForDrained()) << "it is no connection any more";
}

TEST_F(Http, ARequestThatNobodyAnswersMakesRoomForAnother) {
  ApiLimits limits;
  limits.connections = 1;
  Echo echo(home(), limits);
  RawClient client(home());
  client.Send("GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(echo.WaitForHeld());
  echo.DropHeld();
  EXPECT_TRUE(client.WaitForClose());
  EXPECT_EQ(testing::Request(home(), "GET", "/1").status, 200);
}

TEST_F(Http, TooManyConnectionsAreTurnedAwayWithWords) {
  ApiLimits limits;
  limits.connections = 2;
  Echo echo(home(), limits);
  RawClient first(home()), second(home());
  ASSERT_EQ(first.Ask("GET", "/1").value().status, 200);
  ASSERT_EQ(second.Ask("GET", "/2").value().status, 200);
  RawClient third(home());
  const auto answer = third.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->json()["code"], "unreachable");
  EXPECT_EQ(first.Ask("GET", "/1").value().status, 200) << "those that are in are served on";
}

TEST_F(Http, StopClosesIdleConnectionsAndLetsAnswersFinish) {
  Echo echo(home());
  RawClient idle(home()), waiting(home());
  ASSERT_EQ(idle.Ask("GET", "/1").value().status, 200);
  waiting.Send("GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(echo.WaitForHeld());
  echo.Stop();
  EXPECT_TRUE(idle.WaitForClose());
  EXPECT_FALSE(RawClient(home()).connected());
  EXPECT_FALSE(std::filesystem::exists(home() / network::kSocketName));
  echo.AnswerHeld();
  EXPECT_EQ(waiting.Receive().value().body, "at last");
  EXPECT_TRUE(waiting.WaitForClose());
  EXPECT_TRUE(echo.WaitForDrained());
}

TEST_F(Http, StopWithoutConnectionsIsDoneAtOnce) {
  Echo echo(home());
  echo.Stop();
  EXPECT_TRUE(echo.WaitForDrained());
}

TEST_F(Http, SocketIsItsUsersAlone) {
  Echo echo(home());
  struct stat status {};
  ASSERT_EQ(::stat((home() / network::kSocketName).c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(Http, ReplacesAStaleSocket) {
  std::ofstream(home() / network::kSocketName) << "stale";
  Echo echo(home());
  EXPECT_EQ(testing::Request(home(), "GET", "/").status, 200);
}

// Two coordinators on two hosts share a home's folder: the older one finds out when it next writes.
TEST_F(Http, StopLeavesTheSocketOfTheOneThatHasTakenOver) {
  std::optional<Echo> older(home());
  const Echo newer(home());
  older.reset();
  EXPECT_EQ(testing::Request(home(), "GET", "/a").status, 200);
}

// A socket's path may have 107 bytes; a home's may have more.
TEST_F(Http, WorksInADeepHome) {
  const auto deep = home() / std::string(100, 'a') / std::string(100, 'b');
  std::filesystem::create_directories(deep);
  Echo echo(deep);
  EXPECT_TRUE(std::filesystem::exists(deep / network::kSocketName));
  EXPECT_EQ(testing::Request(deep, "GET", "/").status, 200);
}

}  // namespace
}  // namespace tutti::server
