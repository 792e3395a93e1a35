// Routes without a network: what a request's header brings, and what an answer's header says.
#include "coordinator/server/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "experiments.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    EnsembleRecord ensemble;
    ensemble.id = EnsembleId("trial-1");
    ensemble.state = EnsembleState::kCancelled;
    ensemble.spec = spec::ToJson(testing::AnExperiment()).dump();
    ensemble.ended_at = TimePoint();
    TUTTI_CHECK(catalog_.Commit(std::vector<storage::Change>{Record(ensemble)}));
    executor_ = std::make_unique<Executor>(Surroundings(), catalog_, Restored());
    const protocol::Post at_once = [](const std::function<void()>& work) { work(); };
    api_ = std::make_unique<Api>(Api::Surroundings{at_once, &PosixFileSystem(), home()}, *executor_, catalog_);
  }

  std::filesystem::path home() const { return folder_ / "runs"; }
  HttpResponse Get(const std::string& target, const std::string& range = "", Method method = Method::kGet) {
    HttpRequest request = ParseTarget(method, target);
    request.range = range;
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
};

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

TEST_F(ApiTest, SaysWhichMethodsAPathKnows) {
  const HttpResponse refused = Get("/api/v1/ensembles/last", "", Method::kPost);
  EXPECT_EQ(refused.status, 405);
  EXPECT_THAT(refused.headers, Contains(Pair("Allow", "GET, DELETE")));
  EXPECT_THAT(refused.body, HasSubstr("GET, DELETE"));
}

}  // namespace
}  // namespace tutti::server
