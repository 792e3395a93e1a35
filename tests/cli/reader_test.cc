// A home that a coordinator serves tells the same as its catalog afterwards.
#include "cli/reader.h"

#include <gmock/gmock.h>

#include "cli/borrowed_coordinator.h"
#include "common/spec/parse.h"
#include "coordinator/server/coordinator.h"
#include "storage/catalog/catalog.h"
#include "tests/cli/testing.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;

class ReaderTest : public testing::Test {
 protected:
  ReaderTest() {
    Serve();
    spec::ParseInput input;
    input.text = kExperiment;
    input.file_name = "a.yaml";
    input.base_folder = "/";
    const Json experiment = spec::ToJson(spec::Parse(input).value());
    const auto submitted = Client(folder_.path()).Submit({.experiment = experiment});
    EXPECT_EQ(submitted.value().id, "small-1");
  }

  void Serve() {
    server::CoordinatorOptions options;
    options.home = folder_.path();
    coordinator_ = server::Coordinator::Start(std::move(options)).value();
  }

  TemporaryFolder folder_;
  std::unique_ptr<server::Coordinator> coordinator_;
  Reader reader_{folder_.path()};
  const JobId member_{EnsembleId("small-1"), "lenet5-s0"};
};

TEST_F(ReaderTest, TellsTheSameOfACoordinatorAndOfItsCatalogAfterwards) {
  ASSERT_TRUE(reader_.IsServed());
  ASSERT_TRUE(Client(folder_.path()).Cancel("small-1"));
  const Json served_list = reader_.Ensembles().value();
  const Json served = reader_.Ensemble("last").value();
  coordinator_.reset();
  ASSERT_FALSE(reader_.IsServed());
  EXPECT_EQ(reader_.Ensembles().value(), served_list);
  EXPECT_EQ(reader_.Ensemble("last").value(), served);
}

TEST_F(ReaderTest, NamesWhatLiesInAHomeWhoseCatalogDoesNotKnowIt) {
  EXPECT_THAT(reader_.Forgotten().value(), testing::IsEmpty());
  coordinator_.reset();
  std::filesystem::remove_all(folder_.path() / "catalog");
  EXPECT_EQ(reader_.Forgotten().value(), std::vector{EnsembleId("small-1")});
  for (const char* name : {"small-1", "last"}) {
    const auto shown = reader_.Ensemble(name);
    ASSERT_FALSE(shown);
    EXPECT_EQ(shown.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(shown.error().Text(), HasSubstr("small-1: `tutti fsck --rebuild` takes it in"));
  }
  EXPECT_THAT(reader_.Ensemble("small-2").error().Text(), testing::Not(HasSubstr("--rebuild")));
}

TEST_F(ReaderTest, ShowsTheSameResultsAsACoordinator) {
  for (const char* results : {R"({"members": 2})", "{"}) {
    SCOPED_TRACE(results);
    std::ofstream(folder_.path() / "small-1" / "results.json") << results;
    const Json served = Client(folder_.path()).Ensemble("small-1").value()["results"];
    EXPECT_EQ(served, nullptr) << "nothing was combined";
    coordinator_.reset();
    const auto stored = reader_.Ensemble("small-1");
    ASSERT_TRUE(stored) << stored.error().Text();
    EXPECT_EQ((*stored)["results"], served);
    Serve();
  }
}

TEST_F(ReaderTest, WhatAGoneProcessLeftRunningIsStopped) {
  EXPECT_EQ(reader_.Ensembles().value()["ensembles"][0]["state"], "running");
  coordinator_.reset();
  EXPECT_EQ(reader_.Ensembles().value()["ensembles"][0]["state"], "stopped");
  const Json ensemble = reader_.Ensemble("last").value();
  EXPECT_EQ(ensemble["state"], "stopped");
  EXPECT_EQ(ensemble["note"], "its process is gone");
  EXPECT_EQ(ensemble["members"][0]["state"], "stopped");
  EXPECT_EQ(reader_.Why(member_, {}).value(), "stopped: its process is gone; `tutti resume small-1` goes on with it");
}

TEST_F(ReaderTest, AProcessThatDoesNotAnswerYetIsNotTakenForGone) {
  coordinator_.reset();
  const auto starting = storage::HomeLock::Acquire(folder_.path());
  EXPECT_EQ(reader_.Ensemble("last").value()["state"], "running");
}

TEST_F(ReaderTest, WhatAGoneProcessLeftRunningMayBeRemoved) {
  coordinator_.reset();
  EXPECT_TRUE(WithCoordinator(folder_.path(), [](const Client& client) { return client.Remove("small-1"); }));
  EXPECT_EQ(reader_.Ensemble("small-1").error().code, ErrorCode::kNotFound);
}

TEST_F(ReaderTest, WhatIsNotThereIsNotFoundEitherWay) {
  for (const char* by : {"coordinator", "catalog"}) {
    SCOPED_TRACE(by);
    EXPECT_EQ(reader_.Ensemble("small-2").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(reader_.Why({EnsembleId("small-1"), "nobody"}, {}).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(reader_.Log(member_, std::nullopt, 0).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(reader_.Log(member_, 1, 0).error().code, ErrorCode::kNotFound);
    coordinator_.reset();
  }
}

TEST_F(ReaderTest, AChangeBorrowsACoordinatorWhereNoneServes) {
  coordinator_.reset();
  const auto cancelled = WithCoordinator(folder_.path(), [](const Client& client) { return client.Cancel("small-1"); });
  EXPECT_TRUE(cancelled) << cancelled.error().Text();
  EXPECT_FALSE(reader_.IsServed());
  EXPECT_EQ(reader_.Ensemble("small-1").value()["state"], "cancelled");
}

TEST_F(ReaderTest, AChangeAsksTheCoordinatorThatServes) {
  EXPECT_TRUE(WithCoordinator(folder_.path(), [](const Client& client) { return client.Cancel("small-1"); }));
  EXPECT_TRUE(reader_.IsServed());
}

TEST(WaitUntil, GivesUpAtItsDeadlineAndPassesErrorsOn) {
  const auto never = []() -> Result<bool> { return false; };
  const auto waited = WaitUntil(never, Duration(1), "it does not happen");
  EXPECT_EQ(waited.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(waited.error().message, HasSubstr("it does not happen"));
  EXPECT_TRUE(WaitUntil([]() -> Result<bool> { return true; }, Duration(0), ""));
  const auto fails = []() -> Result<bool> { return Fail(ErrorCode::kIo, "broken"); };
  EXPECT_EQ(WaitUntil(fails, std::chrono::seconds(9), "").error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace tutti::cli
