#include "coordinator/core/nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::core {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Ask = NodeDecision::Ask;
using State = NodeJob::State;

constexpr TimePoint kNow{24h};
const NodeLimits kLimits{.nodes = 8, .slots_per_node = 4};

JobId Named(const std::string& name) { return {EnsembleId("a-1"), name}; }

NodeDemand Member(const std::string& name, int slots = 1, std::optional<Duration> takes = {}) {
  return {Waiting{.job = Named(name), .minimum_slots = slots, .maximum_slots = slots}, takes};
}

NodeView WaitingFor(int members, std::optional<Duration> takes = {}, int slots = 1) {
  NodeView view;
  for (int i = 0; i < members; ++i) view.waiting.push_back(Member("m" + std::to_string(i), slots, takes));
  return view;
}

NodeJob Queued(const std::string& name, int nodes = 1, Duration walltime = 4h) {
  return {.name = name, .nodes = nodes, .walltime = walltime, .left = walltime, .slots = {}, .idle_since = {}};
}

NodeJob Running(const std::string& name, int nodes, int free, std::vector<std::optional<Duration>> busy = {}) {
  NodeJob job = Queued(name, nodes);
  job.state = State::kRunning;
  job.slots = {nodes, free, std::move(busy)};
  return job;
}

NodeJob Idle(const std::string& name, TimePoint since) {
  NodeJob job = Running(name, 1, 4);
  job.idle_since = since;
  return job;
}

std::vector<std::optional<Duration>> Busy(size_t slots, std::optional<Duration> left = {}) {
  return std::vector<std::optional<Duration>>(slots, left);
}

// ---- asking ----

TEST(Nodes, WhereNothingWaitsNoneIsAskedFor) { EXPECT_THAT(DecideNodes(kLimits, {}, kNow).ask, IsEmpty()); }

TEST(Nodes, AsManyAreAskedForAsWhatWaitsFills) {
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(9), kNow).ask, ElementsAre(Ask{1, 4h}, Ask{1, 4h}, Ask{1, 4h}));
}

TEST(Nodes, AGangThatIsWiderThanANodeGetsOneJobOfAllThatItNeeds) {
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(1, {}, 10), kNow).ask, ElementsAre(Ask{3, 4h}));
}

TEST(Nodes, NarrowMembersTakeWhatAWideGangLeavesOfItsNodes) {
  NodeView view = WaitingFor(1, {}, 10);
  view.waiting.push_back(Member("narrow", 2));
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(1));
  view.waiting.push_back(Member("one more"));
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(2));
}

TEST(Nodes, MembersThatTakeAShortTimeShareASlot) {
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(60, 1min), kNow).ask, SizeIs(1)) << "a quarter of an hour on four slots";
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(61, 1min), kNow).ask, SizeIs(2));
}

TEST(Nodes, TheWalltimeIsThatOfTheWorkWithAMargin) {
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(1, 1h), kNow).ask, ElementsAre(Ask{1, 95min}));
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(1, 1s), kNow).ask, ElementsAre(Ask{1, kLimits.shortest}));
  EXPECT_THAT(DecideNodes(kLimits, WaitingFor(1, 100h), kNow).ask, ElementsAre(Ask{1, kLimits.longest}));
}

TEST(Nodes, WhatIsOnItsWayIsNotAskedForAgain) {
  NodeView view = WaitingFor(9);
  view.jobs = {Queued("x"), Queued("y"), Queued("z")};
  const NodeDecision decision = DecideNodes(kLimits, view, kNow);
  EXPECT_THAT(decision.ask, IsEmpty());
  EXPECT_THAT(decision.cancel, IsEmpty());
}

TEST(Nodes, OfAJobThatRunsTheWorkersThatAreMissingAreOnTheirWay) {
  NodeView view = WaitingFor(1, {}, 8);
  view.jobs = {Running("x", 2, 4)};
  view.jobs[0].slots.workers = 1;
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, IsEmpty());
}

TEST(Nodes, SlotsThatComeFreeSoonAreWaitedFor) {
  NodeView view = WaitingFor(1);
  view.jobs = {Running("x", 1, 0, Busy(4, 1min))};
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, IsEmpty());
  view.jobs = {Running("x", 1, 0, Busy(4, 5h))};
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(1));
  view.jobs = {Running("x", 1, 0, Busy(4))};
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(1)) << "nobody knows when";
}

TEST(Nodes, ThatCountsForWorkersThatNobodyAskedForToo) {
  NodeView view = WaitingFor(1);
  view.others = {{1, 0, Busy(4, 1min)}};
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, IsEmpty());
}

TEST(Nodes, AJobThatIsAboutToEndIsNotWaitedFor) {
  NodeView view = WaitingFor(1);
  view.jobs = {Running("x", 1, 0, Busy(4, 2min))};
  view.jobs[0].left = 1min;
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(1));
}

TEST(Nodes, OneThatCameTellsHowManySlotsEachHas) {
  NodeView view = WaitingFor(8);
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(2));
  view.slots_per_node = 8;
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(1));
}

TEST(Nodes, SlotsOfWorkersThatLeaveAreNoneToWaitFor) {
  NodeView view = WaitingFor(1);
  view.jobs = {Running("x", 1, 0, Busy(4, 1min))};
  view.jobs[0].state = State::kLeaving;
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).ask, SizeIs(1));
}

// ---- limits ----

TEST(Nodes, NoMoreAreAskedForThanMayBe) {
  NodeView view = WaitingFor(100);
  view.jobs = {Running("x", 2, 0, Busy(8)), Queued("y")};
  const NodeDecision decision = DecideNodes(kLimits, view, kNow);
  EXPECT_THAT(decision.ask, SizeIs(5));
  ASSERT_THAT(decision.why_not, SizeIs(100 - 6 * 4));
  EXPECT_THAT(decision.why_not.begin()->second, HasSubstr("of the 8 nodes"));
}

TEST(Nodes, WhatWaitsForManyNodesIsNotPassedOverByWhatNeedsFew) {
  NodeView view = WaitingFor(1, {}, 32);
  view.waiting.push_back(Member("narrow"));
  view.jobs = {Running("x", 1, 0, Busy(4))};
  const NodeDecision decision = DecideNodes(kLimits, view, kNow);
  EXPECT_THAT(decision.ask, IsEmpty());
  EXPECT_THAT(decision.why_not, SizeIs(2));
}

TEST(Nodes, AGangThatNoNodesMayHoldSaysSoAndHoldsUpNobody) {
  NodeView view = WaitingFor(1, {}, 33);
  view.waiting.push_back(Member("narrow"));
  const NodeDecision decision = DecideNodes(kLimits, view, kNow);
  EXPECT_THAT(decision.ask, SizeIs(1));
  EXPECT_THAT(decision.why_not.at(Named("m0")), HasSubstr("9 nodes of 4; at most 8"));
}

TEST(Nodes, ABudgetIsNotPassed) {
  NodeLimits limits = kLimits;
  limits.budget = 10h;
  NodeView view = WaitingFor(100);
  view.used = 1h;
  const NodeDecision decision = DecideNodes(limits, view, kNow);
  Duration promised = view.used;
  for (const Ask& ask : decision.ask) promised += ask.nodes * ask.walltime;
  EXPECT_LE(promised, *limits.budget);
  EXPECT_GT(promised, 9h);
  view.used = 10h;
  EXPECT_THAT(DecideNodes(limits, view, kNow).ask, IsEmpty());
  EXPECT_THAT(DecideNodes(limits, view, kNow).why_not.at(Named("m0")), HasSubstr("10.0 node-hours"));
}

TEST(Nodes, JobsThatAreThereHaveTheirShareOfTheBudget) {
  NodeLimits limits = kLimits;
  limits.budget = 8h;
  NodeView view = WaitingFor(1, {}, 5);
  view.jobs = {Running("x", 2, 0, Busy(8))};
  EXPECT_THAT(DecideNodes(limits, view, kNow).ask, IsEmpty());
}

TEST(Nodes, AfterARefusalTheBatchSystemIsLeftAloneLongerAndLonger) {
  NodeView view = WaitingFor(1);
  view.refusals = 2;
  view.refused_at = kNow;
  const NodeDecision decision = DecideNodes(kLimits, view, kNow + 19s);
  EXPECT_THAT(decision.ask, IsEmpty());
  EXPECT_EQ(decision.again, kNow + 20s);
  EXPECT_THAT(decision.why_not.at(Named("m0")), HasSubstr("refused"));
  EXPECT_THAT(DecideNodes(kLimits, view, kNow + 20s).ask, SizeIs(1));
  EXPECT_EQ(NodeBackoff(0), Duration(0));
  EXPECT_EQ(NodeBackoff(1), Duration(10s));
  EXPECT_EQ(NodeBackoff(1000), Duration(10min));
}

// ---- giving back ----

TEST(Nodes, AJobInTheQueueThatNobodyNeedsAnyMoreIsCancelled) {
  NodeView view = WaitingFor(1);
  view.jobs = {Queued("x"), Queued("y")};
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).cancel, ElementsAre("y"));
}

TEST(Nodes, WhatIdlesIsGivenBackAfterAWhile) {
  NodeView view;
  view.jobs = {Idle("x", kNow)};
  NodeDecision decision = DecideNodes(kLimits, view, kNow + 5min - 1s);
  EXPECT_THAT(decision.leave, IsEmpty());
  EXPECT_EQ(decision.again, kNow + 5min);
  decision = DecideNodes(kLimits, view, kNow + 5min);
  EXPECT_THAT(decision.leave, ElementsAre("x"));
  EXPECT_THAT(decision.cancel, IsEmpty()) << "its workers may have been given something just now";
}

TEST(Nodes, OnceItsWorkersGetNothingNewAndDoNothingItIsCancelled) {
  NodeView view;
  view.jobs = {Idle("x", kNow), Running("y", 1, 3, Busy(1))};
  for (NodeJob& job : view.jobs) job.state = State::kLeaving;
  const NodeDecision decision = DecideNodes(kLimits, view, kNow);
  EXPECT_THAT(decision.cancel, ElementsAre("x"));
  EXPECT_THAT(decision.leave, IsEmpty());
}

TEST(Nodes, WhatIdlesInTheWayOfAWideGangGoesAtOnce) {
  NodeView view = WaitingFor(1, {}, 32);
  view.jobs = {Idle("x", kNow)};
  EXPECT_THAT(DecideNodes(kLimits, view, kNow).leave, ElementsAre("x"));
}

TEST(Nodes, WhatIsAtWorkStays) {
  NodeView view;
  view.jobs = {Running("x", 1, 3, Busy(1))};
  const NodeDecision decision = DecideNodes(kLimits, view, kNow + 10h);
  EXPECT_THAT(decision.leave, IsEmpty());
  EXPECT_THAT(decision.cancel, IsEmpty());
}

}  // namespace
}  // namespace tutti::core
