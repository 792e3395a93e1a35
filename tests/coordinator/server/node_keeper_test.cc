// Nodes on demand, with a batch system that does as a test says.
#include "coordinator/server/node_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <mutex>

#include "coordinator/server/access.h"
#include "coordinator/server/coordinator.h"
#include "experiments.h"
#include "fake_worker.h"
#include "raw_client.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::AnExperiment;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::Submission;

// Asked on one thread, looked at from another.
class FakeBatch : public BatchSystem {
 public:
  Result<std::vector<BatchJob>> List(const std::string& prefix) override {
    const std::scoped_lock lock(mutex_);
    if (error_) return tl::unexpected<Error>(*error_);
    std::vector<BatchJob> jobs;
    for (const BatchJob& job : jobs_) {
      if (job.name.starts_with(prefix)) jobs.push_back(job);
    }
    return jobs;
  }
  Result<void> Submit(const NodeRequest& request) override {
    const std::scoped_lock lock(mutex_);
    ++submitted_;
    if (refusal_) return tl::unexpected<Error>(*refusal_);
    jobs_.push_back(
        {request.name, fmt::format("{}", 100 + submitted_), false, request.nodes, request.walltime, request.walltime});
    return {};
  }
  Result<void> Cancel(const BatchJob& cancelled) override {
    const std::scoped_lock lock(mutex_);
    std::erase_if(jobs_, [&](const BatchJob& job) { return job.name == cancelled.name; });
    return {};
  }

  std::vector<BatchJob> jobs() {
    const std::scoped_lock lock(mutex_);
    return jobs_;
  }
  void Put(BatchJob job) {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  void Start(const std::string& name, Duration ran = {}) {
    const std::scoped_lock lock(mutex_);
    for (BatchJob& job : jobs_) {
      if (job.name != name) continue;
      job.running = true;
      job.left = job.walltime - ran;
    }
  }
  void Refuse(std::optional<Error> error) {
    const std::scoped_lock lock(mutex_);
    refusal_ = std::move(error);
  }
  void Break(std::optional<Error> error) {
    const std::scoped_lock lock(mutex_);
    error_ = std::move(error);
  }
  int submitted() {
    const std::scoped_lock lock(mutex_);
    return submitted_;
  }

 private:
  std::mutex mutex_;
  std::vector<BatchJob> jobs_;
  std::optional<Error> refusal_, error_;
  int submitted_ = 0;
};

class NodesOnDemand : public ::testing::Test {
 protected:
  NodesOnDemand() { options_ = {batch_, {.nodes = 2, .slots_per_node = 4, .idle = 100ms}, 5ms}; }
  void Serve() {
    CoordinatorOptions options;
    options.home = home();
    options.nodes = options_;
    coordinator_ = Coordinator::Start(options).value();
  }
  // As if its process were killed.
  void Lose() {
    worker_.reset();
    coordinator_.reset();
  }
  fs::path home() const { return folder_ / "runs"; }
  std::string Prefix() { return fmt::format("tutti-{}-", ReadMark(PosixFileSystem(), home())->substr(0, 8)); }
  void Submit() {
    EXPECT_EQ(testing::Request(home(), "POST", "/api/v1/ensembles", Submission(AnExperiment())).status, 200);
  }
  Json Nodes() { return testing::Request(home(), "GET", "/api/v1/nodes").json(); }
  Json Ensemble() { return testing::Request(home(), "GET", "/api/v1/ensembles/last").json(); }
  Json Workers() { return testing::Request(home(), "GET", "/api/v1/workers").json()["workers"]; }
  bool HasJobs(size_t count) {
    return Eventually([&] { return batch_->jobs().size() == count; });
  }
  // The node comes, and its worker.
  void Come(const std::string& job) {
    batch_->Start(job);
    worker_ = std::make_unique<testing::FakeWorker>(*coordinator_, 4, Incarnation{1}, job + "-0");
  }

  testing::TemporaryFolder folder_;
  std::shared_ptr<FakeBatch> batch_ = std::make_shared<FakeBatch>();
  NodeOptions options_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<testing::FakeWorker> worker_;  // goes first
};

TEST_F(NodesOnDemand, AreAskedForTrainAndAreGivenBack) {
  Serve();
  Submit();
  ASSERT_TRUE(HasJobs(1));
  const std::string job = batch_->jobs()[0].name;
  EXPECT_THAT(job, StartsWith(Prefix()));
  Come(job);
  ASSERT_TRUE(Eventually([&] { return Ensemble()["state"] == "finished"; }));
  ASSERT_TRUE(HasJobs(0)) << Nodes();
  EXPECT_EQ(batch_->submitted(), 1);
  EXPECT_FALSE(worker_->closed()) << "it is the batch system that ends it";
  worker_.reset();
  EXPECT_TRUE(Eventually([&] { return Workers().empty(); })) << "the drain of a worker that never comes again is ended";
}

TEST_F(NodesOnDemand, AJobWhoseWorkIsGoneIsCancelledBeforeItStarts) {
  Serve();
  Submit();
  ASSERT_TRUE(HasJobs(1));
  testing::Request(home(), "POST", "/api/v1/ensembles/last/cancel");
  EXPECT_TRUE(HasJobs(0));
}

TEST_F(NodesOnDemand, JobsOfACoordinatorThatWasKilledAreFoundAgain) {
  Serve();
  Submit();
  ASSERT_TRUE(HasJobs(1));
  Lose();
  batch_->Put({"somebody-elses", "7", true, 1, 1h, 1h});
  Serve();
  ASSERT_TRUE(Eventually([&] { return Nodes()["jobs"].size() == 1; }));
  EXPECT_EQ(batch_->submitted(), 1) << "what is on its way is not asked for again";
  Come(batch_->jobs()[0].name);
  ASSERT_TRUE(Eventually([&] { return Ensemble()["state"] == "finished"; }));
  ASSERT_TRUE(HasJobs(1));
  EXPECT_EQ(batch_->jobs()[0].name, "somebody-elses");
}

TEST_F(NodesOnDemand, NoNameIsGivenTwice) {
  Serve();
  Submit();
  ASSERT_TRUE(HasJobs(1));
  const std::string first = batch_->jobs()[0].name;
  Lose();
  ASSERT_TRUE(batch_->Cancel(batch_->jobs()[0]));
  Serve();
  ASSERT_TRUE(HasJobs(1));
  EXPECT_NE(batch_->jobs()[0].name, first);
}

TEST_F(NodesOnDemand, ARefusalIsShownAndNotRepeatedAtOnce) {
  batch_->Refuse(Error{ErrorCode::kDenied, "sbatch: error: invalid account", nullptr});
  Serve();
  Submit();
  ASSERT_TRUE(Eventually([&] { return Nodes()["trouble"] != ""; }));
  EXPECT_EQ(Nodes()["trouble"], "sbatch: error: invalid account");
  ASSERT_TRUE(Eventually([&] { return !Nodes()["waiting"].empty(); }));
  EXPECT_THAT(Nodes()["waiting"][0]["reason"].get<std::string>(), HasSubstr("refused"));
  EXPECT_EQ(batch_->submitted(), 1);
}

TEST_F(NodesOnDemand, AJobThatEndsBeforeItsWorkerComesIsNotAskedForAgainAtOnce) {
  Serve();
  Submit();
  ASSERT_TRUE(HasJobs(1));
  const BatchJob job = batch_->jobs()[0];
  ASSERT_TRUE(Eventually([&] { return !Nodes()["jobs"].empty(); }));
  ASSERT_TRUE(batch_->Cancel(job));
  ASSERT_TRUE(Eventually([&] { return Nodes()["trouble"] != ""; }));
  EXPECT_THAT(Nodes()["trouble"].get<std::string>(), HasSubstr(job.name + ".txt says why"));
  ASSERT_TRUE(Eventually([&] { return !Nodes()["waiting"].empty(); }));
  EXPECT_EQ(batch_->submitted(), 1);
}

TEST_F(NodesOnDemand, WhileTheBatchSystemDoesNotAnswerNothingIsDecided) {
  batch_->Break(Error{ErrorCode::kTimeout, "squeue does not answer", nullptr});
  Serve();
  Submit();
  ASSERT_TRUE(Eventually([&] { return Nodes()["trouble"] == "squeue does not answer"; }));
  EXPECT_EQ(batch_->submitted(), 0);
  batch_->Break(std::nullopt);
  EXPECT_TRUE(HasJobs(1));
}

TEST_F(NodesOnDemand, WhatWasUsedIsRememberedAndABudgetHolds) {
  options_.limits.budget = 10h;
  Serve();
  Submit();
  ASSERT_TRUE(HasJobs(1));
  batch_->Start(batch_->jobs()[0].name, 4h);
  // Its node dies.
  ASSERT_TRUE(Eventually([&] { return !Nodes()["jobs"].empty() && Nodes()["jobs"][0]["state"] == "running"; }));
  ASSERT_TRUE(batch_->Cancel(batch_->jobs()[0]));
  ASSERT_TRUE(Eventually([&] { return Nodes()["used_node_hours"] == 4.0; }));
  Lose();
  options_.limits.budget = 4h;
  ASSERT_TRUE(batch_->jobs().empty() || batch_->Cancel(batch_->jobs()[0]));
  const int before = batch_->submitted();
  Serve();
  ASSERT_TRUE(Eventually([&] { return !Nodes()["waiting"].empty(); }));
  EXPECT_THAT(Nodes()["waiting"][0]["reason"].get<std::string>(), HasSubstr("4.0 node-hours"));
  EXPECT_EQ(batch_->submitted(), before);
}

TEST_F(NodesOnDemand, ALedgerThatCannotBeReadIsSaidAtTheStart) {
  fs::create_directories(home());
  std::ofstream(home() / "nodes.json") << "{}";
  CoordinatorOptions options;
  options.home = home();
  options.nodes = options_;
  const auto refused = Coordinator::Start(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().Text(), HasSubstr("nodes.json"));
}

TEST_F(NodesOnDemand, ACoordinatorWithoutThemSaysSo) {
  CoordinatorOptions options;
  options.home = home();
  coordinator_ = Coordinator::Start(options).value();
  EXPECT_EQ(testing::Request(home(), "GET", "/api/v1/nodes").status, 404);
}

}  // namespace
}  // namespace tutti::server
