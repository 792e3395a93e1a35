// What an experiment means: defaults, merging, overrides, names, paths.
#include "common/spec/parse.h"

#include <gmock/gmock.h>

#include "common/spec/descriptor.h"
#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Json Sgd(double lr) {
  return {{"lr", lr}, {"momentum", 0.9}, {"nesterov", true}, {"dampening", 0.0}, {"weight_decay", 0.0005}};
}

TEST(Parse, DesignsExampleGivesSevenMembersNamedAfterModelAndSeed) {
  const EnsembleSpec spec = MustParse(kExample);
  EXPECT_EQ(spec.name, "fashion-mnist");
  EXPECT_THAT(MemberNames(spec),
              ElementsAre("lenet5-s0", "lenet5-s1", "lenet5-s2", "lenet5-s3", "lenet5-s4", "resnet8-s7", "resnet8-s8"));
  EXPECT_EQ(spec.combiner, DefaultChoice(ChoiceKind::kCombiner, "mean"));
  EXPECT_EQ(spec.minimum_members, std::nullopt);
}

TEST(Parse, DesignsExampleSaysWhatDataAreUsed) {
  const DataSpec data = MustParse(kExample).data;
  EXPECT_EQ(data.source, "idx");
  EXPECT_EQ(data.path, "/base/data/fashion-mnist");
  EXPECT_EQ(data.validation, PartSize(int64_t{5000}));
  EXPECT_EQ(data.split_seed, 0);
  EXPECT_TRUE(std::holds_alternative<DataSpec::SourceTest>(data.test));
  EXPECT_EQ(data.calibration, std::nullopt);
}

TEST(Parse, DesignsExampleTrainsMembersByTheDefaultsWhereTheySayNothingElse) {
  const EnsembleSpec spec = MustParse(kExample);
  ASSERT_EQ(spec.members.size(), 7U);
  const MemberSpec& lenet5 = spec.members[4];
  EXPECT_EQ(lenet5.seed, 4);
  EXPECT_EQ(lenet5.model, (Choice{"lenet5", {{"padding", "classic"}, {"init", "torch"}}}));
  EXPECT_EQ(lenet5.slots, (SlotsSpec{1, 1}));
  EXPECT_EQ(lenet5.prepare, (PrepareSpec{PrepareSpec::Normalize::kAuto, std::nullopt}));
  EXPECT_THAT(lenet5.augment,
              ElementsAre(Choice{"crop", {{"padding", 2}}}, Choice{"flip", {{"direction", "horizontal"}}}));
  EXPECT_EQ(lenet5.training.length, 10);
  EXPECT_EQ(lenet5.training.length_unit, TrainingSpec::LengthUnit::kEpochs);
  EXPECT_EQ(lenet5.training.batch_size, 128);
  EXPECT_EQ(lenet5.training.optimizer, (Choice{"sgd", Sgd(0.05)}));
  EXPECT_EQ(lenet5.training.schedule, (Choice{"cosine", {{"warmup_epochs", 1.0}, {"min_lr", 0.0}}}));
  EXPECT_EQ(lenet5.training.checkpoint, (CheckpointSpec{1, CheckpointSpec::Unit::kEpochs, 2}));
}

TEST(Parse, DesignsExampleMergesWhatAMemberSaysIntoTheDefaults) {
  const EnsembleSpec spec = MustParse(kExample);
  ASSERT_EQ(spec.members.size(), 7U);
  const MemberSpec& resnet8 = spec.members[5];
  EXPECT_EQ(resnet8.seed, 7);
  EXPECT_EQ(resnet8.model, (Choice{"resnet8", {{"width", 16}, {"dropout", 0.0}, {"init", "torch"}}}));
  EXPECT_EQ(resnet8.slots, (SlotsSpec{2, 2}));
  EXPECT_EQ(resnet8.prepare, (PrepareSpec{PrepareSpec::Normalize::kAuto, 32}));
  EXPECT_EQ(resnet8.training.optimizer, (Choice{"sgd", Sgd(0.1)}));
  EXPECT_EQ(resnet8.training.schedule.name, "cosine");
}

TEST(Json, ComesBackAsTheSameEnsemble) {
  const EnsembleSpec spec = MustParse(kExample);
  const auto back = EnsembleFromJson(ToJson(spec));
  ASSERT_TRUE(back) << back.error().Text();
  EXPECT_EQ(*back, spec);
}

TEST(Json, IsAnExperimentFileOfTheSameEnsemble) {
  const EnsembleSpec spec = MustParse(kExample);
  EXPECT_EQ(MustParse(ToJson(spec).dump()), spec);
  EXPECT_EQ(MustParse(ToJson(spec).dump(2)), spec);
}

TEST(Json, OfDataAndMemberComesBackAsTheSame) {
  const EnsembleSpec spec = MustParse(kExample);
  const auto data = DataFromJson(ToJson(spec.data));
  ASSERT_TRUE(data) << data.error().Text();
  EXPECT_EQ(*data, spec.data);
  for (const MemberSpec& member : spec.members) {
    const auto back = MemberFromJson(ToJson(member));
    ASSERT_TRUE(back) << back.error().Text();
    EXPECT_EQ(*back, member);
  }
}

}  // namespace
}  // namespace tutti::spec::test
