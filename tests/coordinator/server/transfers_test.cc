// Files of an attempt over the API: who may send and fetch them, and how.
#include "coordinator/server/transfers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "coordinator/server/coordinator.h"
#include "experiments.h"
#include "fake_worker.h"
#include "raw_client.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using testing::Answer;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// A worker "n1" whose first member has started and waits for the test.
class TransferRoutes : public ::testing::Test {
 protected:
  void SetUp() override {
    Start([](testing::FakeWorker& self, const auto& start) { self.Started(start); });
  }
  void Start(testing::FakeWorker::Play play) {
    worker_.reset();
    coordinator_.reset();
    CoordinatorOptions options;
    options.home = folder_ / "runs";
    options.core.first_backoff = options.core.longest_backoff = std::chrono::milliseconds(1);
    coordinator_ = Coordinator::Start(options).value();
    worker_ = std::make_unique<testing::FakeWorker>(*coordinator_, 1, Incarnation{7});
    worker_->Script("mlp-s0", std::move(play));
    ASSERT_EQ(Ask("POST", "/api/v1/ensembles", testing::Submission(testing::AnExperiment())).status, 200);
    ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  }
  Answer Ask(const std::string& method, const std::string& target, const std::string& body = "") {
    return testing::Request(folder_ / "runs", method, target, body);
  }
  static std::string Target(const std::string& what, const std::string& more, int attempt = 1,
                            const std::string& who = "worker=n1&incarnation=7") {
    return fmt::format("/api/v1/ensembles/trial-1/members/mlp-s0/attempts/{}/{}?{}{}", attempt, what, who, more);
  }
  static std::string LabelsOf(const std::string& content) {
    return fmt::format("&file=labels.safetensors&bytes={}&hash={}", content.size(), HashText(content));
  }
  fs::path attempt() const { return folder_ / "runs/trial-1/members/mlp-s0/attempt-1"; }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<testing::FakeWorker> worker_;
};

TEST_F(TransferRoutes, TakeWhatTheLeaderSends) {
  const std::string upload = Target("uploads", LabelsOf("0123456789"));
  EXPECT_EQ(Ask("GET", upload).json(), (Json{{"bytes", 0}, {"complete", false}}));
  EXPECT_EQ(Ask("POST", upload + "&offset=0", "01234").json(), (Json{{"bytes", 5}, {"complete", false}}));
  EXPECT_EQ(Ask("GET", upload).json(), (Json{{"bytes", 5}, {"complete", false}}));
  EXPECT_EQ(Ask("POST", upload + "&offset=5", "56789").json(), (Json{{"bytes", 10}, {"complete", true}}));
  EXPECT_EQ(PosixFileSystem().Read(attempt() / "labels.safetensors").value(), "0123456789");
}

TEST_F(TransferRoutes, SayWhatIsWrongWithAPiece) {
  const std::string upload = Target("uploads", LabelsOf("0123456789"));
  EXPECT_EQ(Ask("POST", upload + "&offset=3", "3").status, 416);
  EXPECT_EQ(Ask("POST", upload + "&offset=0", "0123456789x").status, 400);
  const Answer other = Ask("POST", upload + "&offset=0", "9876543210");
  EXPECT_EQ(other.status, 422);
  EXPECT_EQ(other.json()["code"], "corrupt");
  EXPECT_EQ(Ask("POST", upload, "").status, 400) << "without an offset";
  EXPECT_EQ(Ask("POST", Target("uploads", "&file=../x&bytes=1&hash=" + HashText("x")) + "&offset=0", "x").status, 400);
  EXPECT_EQ(
      Ask("POST", Target("uploads", "&file=..%2Flog.txt&bytes=1&hash=" + HashText("x")) + "&offset=0", "x").status,
      400);
}

TEST_F(TransferRoutes, AreClosedToWhoDoesNotLeadTheAttempt) {
  const std::string labels = LabelsOf("0123456789") + "&offset=0";
  for (const char* who : {"worker=n1&incarnation=6", "worker=n1&incarnation=8", "worker=n2&incarnation=7"}) {
    EXPECT_EQ(Ask("POST", Target("uploads", labels, 1, who), "0123456789").status, 409) << who;
    EXPECT_EQ(Ask("GET", Target("inputs", "", 1, who)).status, 409) << who;
  }
  for (const char* who : {"", "worker=n1", "incarnation=7", "worker=n1&incarnation=x", "worker=&incarnation=7"}) {
    EXPECT_EQ(Ask("POST", Target("uploads", labels, 1, who), "0123456789").status, 400) << who;
  }
  EXPECT_EQ(Ask("POST", Target("uploads", labels, 2), "0123456789").status, 404) << "an attempt that there is not";
  EXPECT_EQ(Ask("POST", Target("uploads", labels, 0), "0123456789").status, 409);
  EXPECT_FALSE(fs::exists(attempt() / ".uploads"));
}

TEST_F(TransferRoutes, AreClosedOnceTheAttemptHasEnded) {
  worker_->Do([&] { worker_->Exit(worker_->start_of_now({{EnsembleId("trial-1"), "mlp-s0"}, 1}), 70); });
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0", 2));
  const std::string labels = LabelsOf("0123456789") + "&offset=0";
  EXPECT_EQ(Ask("POST", Target("uploads", labels), "0123456789").status, 409);
  EXPECT_EQ(Ask("POST", Target("uploads", labels, 2), "0123456789").status, 200);
}

TEST_F(TransferRoutes, GiveASplitToAFreshStart) {
  const Json inputs = Ask("GET", Target("inputs", "")).json()["inputs"];
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs[0]["file"], "split.safetensors");
  const Answer content = Ask("GET", Target("inputs/content", "&file=split.safetensors"));
  EXPECT_EQ(content.status, 200);
  EXPECT_EQ(HashText(content.body), inputs[0]["hash"]);
  EXPECT_EQ(content.body.size(), inputs[0]["bytes"]);
}

TEST_F(TransferRoutes, GiveTheCheckpointToAnAttemptThatGoesOn) {
  worker_->Do([&] {
    const auto start = worker_->start_of_now({{EnsembleId("trial-1"), "mlp-s0"}, 1});
    worker_->Checkpoint(start, 10);
    worker_->Exit(start, 70);
  });
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0", 2));
  const Json inputs = Ask("GET", Target("inputs", "", 2)).json()["inputs"];
  ASSERT_GE(inputs.size(), 3u);
  EXPECT_THAT(inputs.back()["file"].get<std::string>(), EndsWith("attempt-1/step-00000010/manifest.json"));
  for (const Json& input : inputs) {
    const Answer content = Ask("GET", Target("inputs/content", "&file=" + input["file"].get<std::string>(), 2));
    EXPECT_EQ(content.status, 200);
    EXPECT_EQ(HashText(content.body), input["hash"]);
  }
}

TEST_F(TransferRoutes, GiveNothingElse) {
  for (const char* file : {"resolved.json", "../catalog", "split.safetensors/", "./split.safetensors", "/etc/passwd"}) {
    EXPECT_EQ(Ask("GET", Target("inputs/content", std::string("&file=") + file)).status, 404) << file;
  }
  EXPECT_EQ(Ask("GET", Target("inputs/content", "")).status, 400);
}

}  // namespace
}  // namespace tutti::server
