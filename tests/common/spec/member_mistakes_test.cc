// What is wrong with members, their training, and how many are asked for.
#include <gmock/gmock.h>

#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// ---- what does not fit together ----

TEST(MemberMistakes, EpochsAndSteps) {
  EXPECT_THAT(Mistakes(WithMember("training:\n  epochs: 3\n  steps: 100\n")),
              ElementsAre("exp.yaml:7:3: both epochs and steps in training; allowed: one of them"));
  EXPECT_THAT(Mistakes(WithHead("members:\n  - model: mlp\n    training: {steps: 100, epochs: 3}\n")),
              ElementsAre("exp.yaml:6:28: both epochs and steps in training; allowed: one of them"));
}

TEST(MemberMistakes, WarmUpAsLongAsTheTraining) {
  EXPECT_THAT(
      Mistakes(WithMember("training:\n  epochs: 3\n  schedule: {name: cosine, warmup_epochs: 3}\n")),
      ElementsAre("exp.yaml:7:13: training.schedule.warmup_epochs is 3; allowed: fewer than the 3 epochs of the "
                  "training"));
}

TEST(MemberMistakes, RateThatWouldRise) {
  EXPECT_THAT(Mistakes(WithMember("training:\n  optimizer: {lr: 0.01}\n  schedule: {name: cosine, min_lr: 0.1}\n")),
              ElementsAre("exp.yaml:7:13: training.schedule.min_lr is 0.1; allowed: at most the optimizer's lr, 0.01"));
}

TEST(MemberMistakes, DefaultsThatOnlyAMemberMakesWholeAreNone) {
  EXPECT_THAT(Mistakes(WithHead("training: {schedule: {name: cosine, warmup_epochs: 20}}\n"
                                "members: [{model: mlp, training: {epochs: 50}}]\n")),
              IsEmpty());
}

TEST(MemberMistakes, BestWithoutValidation) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, validation: 0}\n"
               "members: [{model: mlp, training: {predict: best}}]\n"),
      ElementsAre("exp.yaml:4:10: training.predict is 'best' but data.validation is 0; allowed: 'last', or samples "
                  "held back for validation"));
}

// ---- model.weights ----

TEST(MemberMistakes, WeightsThatAreNoPath) {
  const std::string path = "members[].model.weights";
  EXPECT_THAT(Mistakes(WithHead("members:\n  - {model: {name: mlp, weights: [a]}}\n")),
              ElementsAre("exp.yaml:5:34: " + path + " is a list; allowed: a path"));
  EXPECT_THAT(Mistakes(WithHead("members:\n  - {model: {name: mlp, weights: ''}}\n")),
              ElementsAre("exp.yaml:5:34: " + path + " is the text \"\"; allowed: a path"));
  EXPECT_THAT(Mistakes(WithHead("members:\n  - {model: {name: mlp, weights: '${NONE}/a'}}\n")),
              ElementsAre(StartsWith("exp.yaml:5:34: " + path + " contains ${NONE}, which is not set; allowed: ")));
}

TEST(MemberMistakes, WeightsOfWhatIsNoModel) {
  EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {name: sgd, weights: a}}\n")),
              ElementsAre(HasSubstr("unknown parameter 'weights' of sgd")));
  EXPECT_THAT(Mistakes(WithHead("members: [{model: {name: mlp, weight: a}}]\n")),
              ElementsAre(HasSubstr("(did you mean 'weights'?)")));
}

// ---- training.checkpoint, slots, seeds ----

TEST(MemberMistakes, IntervalsThatAreNone) {
  for (const std::string bad : {"1", "epoch", "0 epochs", "-1 steps", "1.5 epochs", "0.5 steps", "2 hours",
                                "nan minutes", "1 epoch more", "1e3 steps"}) {
    EXPECT_THAT(Mistakes(WithMember("training: {checkpoint: {every: " + bad + "}}\n")),
                ElementsAre("exp.yaml:5:32: training.checkpoint.every is '" + bad +
                            "'; allowed: a number and a unit: 1 epoch, 500 steps, 10 minutes"))
        << bad;
  }
}

TEST(MemberMistakes, SlotsThatAreNone) {
  for (const std::string bad : {"0", "two", "4097", "[1, 2]", "'2'"}) {
    EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, slots: " + bad + "}]\n")),
                ElementsAre(AllOf(StartsWith("exp.yaml:4:31: members[].slots is "),
                                  HasSubstr("; allowed: a count from 1 to 4096, or {min: 1, max: 4} with min not above "
                                            "max"))))
        << bad;
  }
}

TEST(MemberMistakes, MemoryThatIsNone) {
  for (const std::string bad :
       {"6", "GB", "0 GB", "-1 GB", "6GB", "6 gb", "6 GB more", "1e400 GB", "0.1 B", "[6 GB]"}) {
    EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, slot_memory: " + bad + "}]\n")),
                ElementsAre(AllOf(StartsWith("exp.yaml:4:37: members[].slot_memory is "),
                                  HasSubstr("; allowed: none, or a number and a unit: 6 GB, 512 MiB"))))
        << bad;
  }
}

TEST(MemberMistakes, ElasticSlotsThatAreNone) {
  const auto mistakes = [](const std::string& slots) {
    return Mistakes(WithHead("members: [{model: mlp, slots: " + slots + "}]\n"));
  };
  EXPECT_THAT(mistakes("{min: 3, max: 2}"),
              ElementsAre("exp.yaml:4:31: members[].slots has min 3 above max 2; allowed: min at most max"));
  EXPECT_THAT(mistakes("{min: 1}"),
              ElementsAre("exp.yaml:4:31: members[].slots.max is missing; allowed: a whole number from 1 to 4096"));
  EXPECT_THAT(mistakes("{min: 0, max: x}"),
              ElementsAre("exp.yaml:4:37: members[].slots.min is '0'; allowed: a whole number from 1 to 4096",
                          "exp.yaml:4:45: members[].slots.max is 'x'; allowed: a whole number from 1 to 4096"));
  EXPECT_THAT(mistakes("{}"),
              ElementsAre("exp.yaml:4:31: members[].slots.min is missing; allowed: a whole number from 1 to 4096",
                          "exp.yaml:4:31: members[].slots.max is missing; allowed: a whole number from 1 to 4096"));
}

TEST(MemberMistakes, ASpreadThatIsNone) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, slots: {min: 2, max: 2, spread: never}}]\n")),
              ElementsAre("exp.yaml:4:56: members[].slots.spread is 'never'; allowed: true or false"));
}

TEST(MemberMistakes, SeedsThatAreNone) {
  for (const std::string bad : {"0", "-3", "many", "[]", "{from: 1}", "1001"}) {
    EXPECT_THAT(
        Mistakes(WithHead("members: [{model: mlp, seeds: " + bad + "}]\n")),
        ElementsAre(AllOf(StartsWith("exp.yaml:4:31: members[].seeds is "),
                          HasSubstr("; allowed: a count from 1 to 1000, or a list of different whole numbers, 0 "
                                    "or more"))))
        << bad;
  }
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: [1, -2]}, {model: mlp, seed: x, name: b}]\n")),
              ElementsAre("exp.yaml:4:35: members[].seeds[1] is '-2'; allowed: a whole number, 0 or more",
                          "exp.yaml:4:60: members[].seed is 'x'; allowed: a whole number, 0 or more"));
}

TEST(MemberMistakes, DuplicateSeed) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: [7, 8, 7]}]\n")),
              ElementsAre("exp.yaml:4:38: seed 7 is there twice; allowed: different seeds"));
}

TEST(MemberMistakes, SeedAndSeeds) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: 2, seed: 1}]\n")),
              ElementsAre("exp.yaml:4:34: both seeds and seed in members[]; allowed: one of them"));
}

TEST(MemberMistakes, TwoEntriesWithTheSameMemberAreToldToTakeAName) {
  EXPECT_THAT(
      Mistakes(WithHead("members:\n"
                        "  - {model: lenet5, seeds: 3}\n"
                        "  - {model: {name: lenet5, padding: same}, seeds: 2}\n")),
      ElementsAre("exp.yaml:6:5: member 'lenet5-s0' is there already (line 5); allowed: other seeds, or a `name` of "
                  "its own for this entry"));
}

TEST(MemberMistakes, MembersMayNotBeEmpty) {
  EXPECT_THAT(Mistakes(WithHead("members: []\n")),
              ElementsAre("exp.yaml:4:10: members is empty; allowed: a list with at least one member, as in [{model: "
                          "lenet5, seeds: 5}]"));
  EXPECT_THAT(Mistakes(WithHead("members:\n")),
              ElementsAre(StartsWith("exp.yaml:4:1: members is empty; allowed: a list")));
}

TEST(MemberMistakes, MoreMembersThanAnyClusterTrains) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: 900}, {model: lenet5, seeds: 900}]\n")),
              ElementsAre("exp.yaml:4:37: more than 1000 members; allowed: at most 1000"));
}

TEST(MemberMistakes, MemberNameThatBecomesTooLong) {
  const std::string name(79, 'x');
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, name: " + name + "}]\n")),
              ElementsAre("exp.yaml:4:11: '" + name +
                          "-s0' is too long for a member's name; allowed: at most 80 "
                          "characters"));
}

TEST(MemberMistakes, MoreMembersWantedThanThereAre) {
  EXPECT_THAT(
      Mistakes(WithMember("ensemble: {minimum_members: 2}\n")),
      ElementsAre(
          "exp.yaml:5:29: ensemble.minimum_members is 2; allowed: all, or a count up to 1, the number of members"));
  for (const std::string bad : {"0", "most", "-1", "0.5"}) {
    EXPECT_THAT(Mistakes(WithMember("ensemble: {minimum_members: " + bad + "}\n")),
                ElementsAre("exp.yaml:5:29: ensemble.minimum_members is '" + bad +
                            "'; allowed: all, or a count from 1 to "
                            "the number of members"))
        << bad;
  }
}

}  // namespace
}  // namespace tutti::spec::test
