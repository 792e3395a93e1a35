// Routes without a network: what a request's header brings, and what an answer's header says.
#include "coordinator/server/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "experiments.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    EnsembleRecord ensemble;
    ensemble.id = EnsembleId("trial-1");
    ensemble.state = EnsembleState::kCancelled;
    ensemble.spec = spec::ToJson(testing::AnExperiment()).dump();
    ensemble.ended_at = TimePoint();
    TUTTI_CHECK(catalog_.Commit(std::vector<storage::Change>{Record(ensemble)}));
    Begin();
  }

  // A coordinator on what the catalog holds now.
  void Begin() {
    executor_ = std::make_unique<Executor>(Surroundings(), catalog_, Restored());
    const Later later = [this](Duration, std::function<void()> work) { later_.push_back(std::move(work)); };
    const protocol::Post at_once = [](const std::function<void()>& work) { work(); };
    api_ = std::make_unique<Api>(Api::Surroundings{at_once, at_once, later, seconds(1), &PosixFileSystem(), home()},
                                 *executor_, catalog_);
  }
  void AddMember(JobState state, int attempts) {
    JobRecord job;
    job.id = {EnsembleId("trial-1"), "lenet5-s0"};
    job.state = state;
    job.attempts = attempts;
    TUTTI_CHECK(catalog_.Commit(std::vector<storage::Change>{Record(job)}));
    Begin();
  }
  Executor& executor() { return *executor_; }

  std::filesystem::path home() const { return folder_ / "runs"; }
  // Writes what a trainer printed.
  void WriteLog(int attempt, const std::string& text) {
    const auto folder = home() / "trial-1" / storage::AttemptFolder({{EnsembleId("trial-1"), "lenet5-s0"}, attempt});
    TUTTI_CHECK(PosixFileSystem().CreateDirectories(folder));
    TUTTI_CHECK(WriteFileDurably(PosixFileSystem(), folder / "log.txt", text));
  }
  // Lets the time pass that something waits for.
  void PassTime() {
    for (const auto& work : std::exchange(later_, {})) work();
  }
  bool waits() const { return !later_.empty(); }
  HttpResponse Get(const std::string& target, const std::string& range = "", Method method = Method::kGet) {
    HttpRequest request = ParseTarget(method, target);
    request.range = range;
    return Ask(request);
  }
  HttpResponse Ask(const HttpRequest& request) {
    std::optional<HttpResponse> answer;
    api_->Handle(request, [&](HttpResponse response) { answer = std::move(response); });
    TUTTI_CHECK(answer);
    return *answer;
  }

 private:
  Executor::Surroundings Surroundings() {
    return {.events = [](const auto&) {},
            .disk = [](const auto&) {},
            .wake_at = [](TimePoint) {},
            .failed = [](const Error&) {},
            .stopped = [] {},
            .files = &PosixFileSystem(),
            .clock = &clock_,
            .home = home()};
  }
  core::Core Restored() {
    std::vector<core::Effect> outstanding;
    return core::Core::Restore({}, catalog_.generation(), catalog_.Load().value(), clock_.Now(), outstanding);
  }

  testing::TemporaryFolder folder_;
  const SystemClock clock_;
  storage::Catalog catalog_ = storage::Catalog::Open(PosixFileSystem(), home()).value();
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Api> api_;
  std::vector<std::function<void()>> later_;
};

// The next piece of a stream; nothing while it waits.
std::optional<std::string> Next(BodyStream& stream) {
  std::optional<std::string> piece;
  stream.Next([&](std::string text) { piece = std::move(text); });
  return piece;
}

TEST_F(ApiTest, ServesTheRangeOfAFileThatIsAskedFor) {
  ASSERT_TRUE(PosixFileSystem().CreateDirectories(home() / "trial-1"));
  ASSERT_TRUE(WriteFileDurably(PosixFileSystem(), home() / "trial-1/experiment.yaml", "0123456789"));
  const std::string target = "/api/v1/ensembles/last/artifacts/" + HashText("experiment.yaml");
  EXPECT_EQ(Get(target).body, "0123456789");
  const HttpResponse part = Get(target, "bytes=3-5");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "345");
  EXPECT_THAT(part.headers, Contains(Pair("Content-Range", "bytes 3-5/10")));
  EXPECT_EQ(Get(target, "bytes=10-").status, 416);
}

TEST_F(ApiTest, FollowsALogThroughFurtherAttemptsToItsEnd) {
  AddMember(JobState::kCancelled, 2);
  WriteLog(1, "first ü\n");
  WriteLog(2, "second\n");
  const auto stream = Get("/api/v1/ensembles/last/members/lenet5-s0/log?follow=true&attempt=1&offset=6").stream;
  ASSERT_TRUE(stream);
  EXPECT_EQ(Next(*stream), "id: 1-9\nevent: log\ndata: {\"attempt\":1,\"offset\":6,\"text\":\"ü\\n\"}\n\n");
  EXPECT_EQ(Next(*stream), "id: 2-7\nevent: log\ndata: {\"attempt\":2,\"offset\":0,\"text\":\"second\\n\"}\n\n");
  EXPECT_EQ(Next(*stream), "id: 2-7\nevent: end\ndata: {}\n\n");
  EXPECT_EQ(Next(*stream), "");
}

TEST_F(ApiTest, ALogThatGoesOnIsToldAsItGrowsAndGivesSignsOfLife) {
  AddMember(JobState::kRunning, 1);
  const auto stream = Get("/api/v1/ensembles/last/members/lenet5-s0/log?follow=true").stream;
  std::vector<std::string> told;
  const auto listen = [&] { stream->Next([&](std::string piece) { told.push_back(std::move(piece)); }); };
  listen();
  EXPECT_TRUE(told.empty());
  while (told.empty() && waits()) PassTime();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_THAT(told[0], StartsWith(":"));
  listen();
  WriteLog(1, "hello");
  PassTime();
  EXPECT_THAT(told.at(1), HasSubstr(R"("text":"hello")"));
}

TEST_F(ApiTest, AWatcherOfALogGoesOnWhereItWas) {
  AddMember(JobState::kCancelled, 1);
  WriteLog(1, "0123456789");
  HttpRequest request = ParseTarget(Method::kGet, "/api/v1/ensembles/last/members/lenet5-s0/log?follow=true");
  request.last_event_id = "1-8";
  EXPECT_THAT(Next(*Ask(request).stream), ::testing::Optional(HasSubstr(R"("offset":8,"text":"89")")));
  request.last_event_id = "nonsense";
  EXPECT_EQ(Ask(request).status, 400);
  request.last_event_id = "2-0";
  EXPECT_EQ(Ask(request).status, 404) << "there is no second attempt";
}

TEST_F(ApiTest, AReaderOfEventsSeesNoPaths) {
  HttpRequest request = ParseTarget(Method::kGet, "/api/v1/events?after=0-0");
  request.role = Role::kReader;
  const auto stream = Ask(request).stream;
  ASSERT_TRUE(stream);
  EXPECT_THAT(Next(*stream), ::testing::Optional(HasSubstr("event: reset")));
  executor().feed().Publish(TimePoint(), EnsembleId("trial-1"), "cannot read /data/x: no such file");
  EXPECT_THAT(Next(*stream), ::testing::Optional(HasSubstr("cannot read (path): no such file")));
}

TEST_F(ApiTest, DrainsAWorkerThatIsKnown) {
  const std::string drain = "/api/v1/workers/n1/drain";
  EXPECT_EQ(Get(drain, "", Method::kPost).status, 404);
  EXPECT_EQ(Get("/api/v1/workers/..%2f/drain", "", Method::kPost).status, 400);
}

TEST_F(ApiTest, SaysWhichMethodsAPathKnows) {
  const HttpResponse refused = Get("/api/v1/ensembles/last", "", Method::kPost);
  EXPECT_EQ(refused.status, 405);
  EXPECT_THAT(refused.headers, Contains(Pair("Allow", "GET, DELETE")));
  EXPECT_THAT(refused.body, HasSubstr("GET, DELETE"));
}

}  // namespace
}  // namespace tutti::server
