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

// ---- defaults ----

TEST(Parse, LeastExperimentGetsTheDocumentedDefaults) {
  const EnsembleSpec spec = MustParse(kHeadWithMember);
  ASSERT_THAT(MemberNames(spec), ElementsAre("lenet5-s0"));
  EXPECT_EQ(spec.data.validation, PartSize(0.1));
  const MemberSpec& member = spec.members[0];
  EXPECT_EQ(member.slots, (SlotsSpec{1, 1}));
  EXPECT_THAT(member.augment, IsEmpty());
  EXPECT_EQ(member.training.length, 10);
  EXPECT_EQ(member.training.batch_size, 128);
  EXPECT_EQ(member.training.optimizer, DefaultChoice(ChoiceKind::kOptimizer, "sgd"));
  EXPECT_EQ(member.training.schedule, DefaultChoice(ChoiceKind::kSchedule, "constant"));
  EXPECT_EQ(member.training.clip_norm, std::nullopt);
  EXPECT_EQ(member.training.predict, TrainingSpec::Predict::kLast);
  EXPECT_EQ(spec.combiner.name, "mean");
}

TEST(Parse, SectionsWithNothingInThemMeanTheDefaults) {
  EXPECT_EQ(MustParse(WithMember("prepare:\naugment:\ntraining:\nensemble:\n")), MustParse(kHeadWithMember));
  EXPECT_EQ(MustParse(WithHead("training: {epochs: 3}\nmembers:\n  - model: mlp\n    training:\n")),
            MustParse(WithHead("training: {epochs: 3}\nmembers:\n  - model: mlp\n")));
}

TEST(Parse, LaterExperimentsMeanTheSameWithMarksOfByteOrderAndWindowsLineEnds) {
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : std::string(kExample)) windows += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(MustParse(windows), MustParse(kExample));
}

TEST(Parse, AliasesStandForWhatTheyName) {
  EXPECT_EQ(MustParse(WithHead("members:\n  - {model: mlp, training: &fast {epochs: 2}}\n"
                               "  - {model: lenet5, training: *fast}\n"))
                .members[1]
                .training.length,
            2);
}

// ---- merging ----

TrainingSpec TrainingOf(const std::string& defaults, const std::string& member) {
  const EnsembleSpec spec =
      MustParse(WithHead("training: " + defaults + "\nmembers: [{model: mlp, training: " + member + "}]\n"));
  return spec.members.empty() ? TrainingSpec{} : spec.members[0].training;
}

TEST(Merging, ChangedNameDropsTheSiblings) {
  EXPECT_EQ(TrainingOf("{optimizer: {name: sgd, lr: 0.5, weight_decay: 0.1}}", "{optimizer: {name: adam}}").optimizer,
            DefaultChoice(ChoiceKind::kOptimizer, "adam"));
  EXPECT_EQ(TrainingOf("{optimizer: {name: adam, lr: 0.5}}", "{optimizer: sgd}").optimizer,
            DefaultChoice(ChoiceKind::kOptimizer, "sgd"));
}

TEST(Merging, SameNameKeepsTheSiblings) {
  const Choice merged =
      TrainingOf("{optimizer: {name: adam, lr: 0.5}}", "{optimizer: {name: adam, eps: 0.1}}").optimizer;
  EXPECT_EQ(merged.parameters["lr"], 0.5);
  EXPECT_EQ(merged.parameters["eps"], 0.1);
}

TEST(Merging, UnwrittenNameIsTheDefaultOneForBothSides) {
  EXPECT_EQ(TrainingOf("{optimizer: {lr: 0.5}}", "{optimizer: {name: sgd, momentum: 0.1}}").optimizer.parameters["lr"],
            0.5);
  EXPECT_EQ(TrainingOf("{optimizer: {lr: 0.5}}", "{optimizer: adam}").optimizer,
            DefaultChoice(ChoiceKind::kOptimizer, "adam"));
}

TEST(Merging, ParametersReachAChoiceThatIsOnlyAName) {
  const Choice merged = TrainingOf("{optimizer: adam}", "{optimizer: {lr: 0.5}}").optimizer;
  EXPECT_EQ(merged.name, "adam");
  EXPECT_EQ(merged.parameters["lr"], 0.5);
}

TEST(Merging, MapsMergeAtEveryDepth) {
  const TrainingSpec training =
      TrainingOf("{batch_size: 32, checkpoint: {every: 500 steps, keep: 7}}", "{checkpoint: {keep: 3}}");
  EXPECT_EQ(training.batch_size, 32);
  EXPECT_EQ(training.checkpoint, (CheckpointSpec{500, CheckpointSpec::Unit::kSteps, 3}));
}

TEST(Merging, StepsReplaceEpochsAndEpochsSteps) {
  const TrainingSpec steps = TrainingOf("{epochs: 3}", "{steps: 100}");
  EXPECT_EQ(steps.length, 100);
  EXPECT_EQ(steps.length_unit, TrainingSpec::LengthUnit::kSteps);
  const TrainingSpec epochs = TrainingOf("{steps: 100}", "{epochs: 3}");
  EXPECT_EQ(epochs.length, 3);
  EXPECT_EQ(epochs.length_unit, TrainingSpec::LengthUnit::kEpochs);
}

TEST(Merging, ListsReplace) {
  const EnsembleSpec spec =
      MustParse(WithHead("augment: [{crop: 2}, flip]\nmembers:\n  - {model: mlp, augment: [flip]}\n"
                         "  - {model: lenet5, augment: []}\n  - {model: resnet8}\n"));
  ASSERT_EQ(spec.members.size(), 3U);
  EXPECT_THAT(spec.members[0].augment, ElementsAre(DefaultChoice(ChoiceKind::kAugmentation, "flip")));
  EXPECT_THAT(spec.members[1].augment, IsEmpty());
  EXPECT_EQ(spec.members[2].augment.size(), 2U);
}

TEST(Merging, OneMembersSettingsDoNotReachTheNext) {
  const EnsembleSpec spec = MustParse(
      WithHead("members: [{model: mlp, training: {epochs: 1}, prepare: {normalize: none}}, {model: lenet5}]\n"));
  ASSERT_EQ(spec.members.size(), 2U);
  EXPECT_EQ(spec.members[1].training.length, 10);
  EXPECT_EQ(spec.members[1].prepare, PrepareSpec{});
}

// ---- choices ----

TEST(Choices, AugmentationsHaveShortForms) {
  const auto augment = [](const std::string& list) {
    return MustParse(WithMember("augment: " + list + "\n")).members.at(0).augment;
  };
  EXPECT_EQ(augment("[{crop: {padding: 2}}, {flip: {direction: horizontal}}]"),
            augment("[{crop: 2}, {flip: horizontal}]"));
  EXPECT_EQ(augment("[{crop: {padding: 4}}, {flip: {}}]"), augment("[crop, {flip: }]"));
}

TEST(Choices, CompleteChoiceFillsInDefaultsInTheDescriptorsOrder) {
  const auto choice = CompleteChoice(ChoiceKind::kOptimizer, {{"momentum", 0}, {"name", "sgd"}, {"lr", 1}});
  ASSERT_TRUE(choice) << choice.error().Text();
  EXPECT_EQ(choice->parameters.dump(),
            R"({"lr":1.0,"momentum":0.0,"nesterov":false,"dampening":0.0,"weight_decay":0.0})");
}

TEST(Choices, CompleteChoiceTakesANameAndAnAugmentationsForm) {
  EXPECT_EQ(*CompleteChoice(ChoiceKind::kModel, "resnet8"), DefaultChoice(ChoiceKind::kModel, "resnet8"));
  EXPECT_EQ(*CompleteChoice(ChoiceKind::kAugmentation, {{"crop", {{"padding", 3}}}}),
            (Choice{"crop", {{"padding", 3}}}));
}

TEST(Choices, CompleteChoiceRefusesWhatTheParserRefuses) {
  const auto message = [](const Json& json) {
    const auto choice = CompleteChoice(ChoiceKind::kModel, json);
    return choice ? std::string("none") : choice.error().message;
  };
  EXPECT_EQ(message({{"name", "resnet8"}, {"width", 0}}), "model.width is '0'; allowed: a whole number from 1 to 4096");
  EXPECT_EQ(message({{"name", "resnet9"}}),
            "unknown model 'resnet9' (did you mean 'resnet8'?); allowed: mlp, lenet5, resnet8, resnet20");
  EXPECT_EQ(message({{"name", "mlp"}, {"hidden", {1.5}}}),
            "model.hidden[0] is '1.5'; allowed: a whole number from 1 to 65536");
  EXPECT_EQ(message(nullptr),
            "model is empty; allowed: mlp, lenet5, resnet8, resnet20; or a map of a name and parameters");
}

// ---- members ----

TEST(Members, NameIsAPrefixForSeedsAndTheWholeNameForASeed) {
  EXPECT_THAT(MemberNames(MustParse(WithHead("members:\n"
                                             "  - {model: mlp, seeds: [3, 1]}\n"
                                             "  - {model: mlp, name: wide, seeds: 2}\n"
                                             "  - {model: mlp, seed: 9}\n"
                                             "  - {model: mlp, name: best, seed: 9}\n"
                                             "  - {model: mlp, name: one}\n"))),
              ElementsAre("mlp-s3", "mlp-s1", "wide-s0", "wide-s1", "mlp-s9", "best", "one-s0"));
}

TEST(Members, SlotsAreACountOrARange) {
  const EnsembleSpec spec = MustParse(
      WithHead("members: [{model: mlp, slots: 3}, {model: lenet5, slots: {min: 1, max: 4}}, {model: resnet8}]\n"));
  ASSERT_EQ(spec.members.size(), 3U);
  EXPECT_EQ(spec.members[0].slots, (SlotsSpec{3, 3}));
  EXPECT_EQ(spec.members[1].slots, (SlotsSpec{1, 4}));
  EXPECT_EQ(spec.members[2].slots, (SlotsSpec{1, 1}));
}

TEST(Members, SpreadOverWorkersUnlessTheySayOtherwise) {
  const EnsembleSpec spec =
      MustParse(WithHead("members:\n"
                         "  - {model: mlp, slots: {min: 2, max: 2, spread: false}}\n"
                         "  - {model: lenet5, slots: {min: 1, max: 4, spread: true}}\n"));
  ASSERT_EQ(spec.members.size(), 2U);
  EXPECT_EQ(spec.members[0].slots, (SlotsSpec{2, 2, SlotsSpec::Spread::kOneWorker}));
  EXPECT_EQ(spec.members[1].slots, (SlotsSpec{1, 4, SlotsSpec::Spread::kAllowed}));
}

TEST(Members, AskForMemoryOfTheirOwnOrThatOfTheExperiment) {
  const std::string head = "version: 1\nname: t\ndata: {source: idx, path: /d}\n";
  const std::string members =
      "members: [{model: mlp}, {model: lenet5, slot_memory: 512 MiB}, {model: resnet8, slot_memory: none}]\n";
  const EnsembleSpec spec = MustParse(head + "slot_memory: 6 GB\n" + members);
  ASSERT_EQ(spec.members.size(), 3U);
  EXPECT_EQ(spec.members[0].slot_memory_bytes, 6'000'000'000);
  EXPECT_EQ(spec.members[1].slot_memory_bytes, 512 << 20);
  EXPECT_EQ(spec.members[2].slot_memory_bytes, std::nullopt);
  EXPECT_EQ(MustParse(head + members).members[0].slot_memory_bytes, std::nullopt);
}

// Else ensembles of before the key would be trained again.
TEST(Members, ThatAskForNoMemoryResolveAsBeforeTheKey) {
  EXPECT_FALSE(ToJson(MustParse(WithHead("members: [{model: mlp}]\n")).members[0]).contains("slot_memory"));
}

TEST(Members, MinimumIsAllOrACount) {
  EXPECT_EQ(MustParse(WithMember("ensemble: {minimum_members: all}\n")).minimum_members, std::nullopt);
  EXPECT_EQ(MustParse(WithMember("ensemble: {minimum_members: 1}\n")).minimum_members, 1);
}

// ---- data and training values ----

TEST(Values, PartsAreCountsOrFractions) {
  const auto data = [](const std::string& rest) {
    return MustParse("version: 1\nname: t\ndata: {source: idx, path: /d, " + rest + "}\nmembers: [{model: mlp}]\n")
        .data;
  };
  EXPECT_EQ(data("validation: 1").validation, PartSize(int64_t{1}));
  EXPECT_EQ(data("validation: 0").validation, PartSize(int64_t{0}));
  EXPECT_EQ(data("validation: 0.25").validation, PartSize(0.25));
  EXPECT_EQ(data("calibration: 2000").calibration, PartSize(int64_t{2000}));
  EXPECT_EQ(data("calibration: none").calibration, std::nullopt);
  EXPECT_TRUE(std::holds_alternative<DataSpec::NoTest>(data("test: none").test));
  EXPECT_TRUE(std::holds_alternative<DataSpec::SourceTest>(data("test: source").test));
  EXPECT_EQ(std::get<int64_t>(data("test: 1000").test), 1000);
}

TEST(Values, CheckpointsComeByEpochsStepsOrMinutes) {
  const auto every = [](const std::string& text) {
    return MustParse(WithMember("training: {checkpoint: {every: " + text + "}}\n")).members.at(0).training.checkpoint;
  };
  EXPECT_EQ(every("1 epoch"), (CheckpointSpec{1, CheckpointSpec::Unit::kEpochs, 2}));
  EXPECT_EQ(every("1 epochs"), (CheckpointSpec{1, CheckpointSpec::Unit::kEpochs, 2}));
  EXPECT_EQ(every("3 epochs"), (CheckpointSpec{3, CheckpointSpec::Unit::kEpochs, 2}));
  EXPECT_EQ(every("500 steps"), (CheckpointSpec{500, CheckpointSpec::Unit::kSteps, 2}));
  EXPECT_EQ(every("0.5 minutes"), (CheckpointSpec{0.5, CheckpointSpec::Unit::kMinutes, 2}));
}

TEST(Values, NumbersAreReadInEveryCommonForm) {
  const auto lr = [](const std::string& text) {
    return MustParse(WithMember("training: {optimizer: {lr: " + text + "}}\n"))
        .members.at(0)
        .training.optimizer.parameters["lr"]
        .get<double>();
  };
  EXPECT_EQ(lr("1"), 1.0);
  EXPECT_EQ(lr("+0.5"), 0.5);
  EXPECT_EQ(lr("1e-3"), 1e-3);
  EXPECT_EQ(lr("1.0E-3"), 1e-3);
  EXPECT_EQ(lr(".5"), 0.5);
  EXPECT_EQ(lr("5."), 5.0);
}

// ---- paths ----

std::string PathOf(const std::string& text, Variables variables = {}) {
  return MustParse("version: 1\nname: t\ndata: {source: idx, path: \"" + text + "\"}\nmembers: [{model: mlp}]\n", {},
                   std::move(variables))
      .data.path.string();
}

TEST(Paths, RelativeOnesBeginAtTheFilesFolder) {
  EXPECT_EQ(PathOf("data"), "/base/data");
  EXPECT_EQ(PathOf("../data/./x/"), "/data/x");
  EXPECT_EQ(PathOf("."), "/base");
  EXPECT_EQ(PathOf("/data"), "/data");
  EXPECT_EQ(PathOf("/"), "/");
}

TEST(Paths, VariablesAndHomeAreReplaced) {
  EXPECT_EQ(PathOf("${A}/x${B}y", {{"A", "/a"}, {"B", "b"}}), "/a/xby");
  EXPECT_EQ(PathOf("${A}", {{"A", "rel"}}), "/base/rel");
  EXPECT_EQ(PathOf("~/data", {{"HOME", "/home/me"}}), "/home/me/data");
  EXPECT_EQ(PathOf("~", {{"HOME", "/home/me"}}), "/home/me");
}

TEST(Paths, OtherDollarsAndTildesStandForThemselves) {
  EXPECT_EQ(PathOf("/a$b/c~"), "/a$b/c~");
  EXPECT_EQ(PathOf("a/~"), "/base/a/~");
}

TEST(Paths, ProcessEnvironmentIsLookedUp) {
  EXPECT_EQ(ProcessEnvironment()("PATH"), std::string(std::getenv("PATH")));
  EXPECT_EQ(ProcessEnvironment()("TUTTI_THIS_IS_NOT_SET"), std::nullopt);
}

// ---- overrides ----

TEST(Overrides, ChangeADefaultAndLeaveWhatAMemberSays) {
  const EnsembleSpec spec =
      MustParse(WithHead("training: {epochs: 9}\nmembers: [{model: mlp}, {model: lenet5, training: {epochs: 5}}]\n"),
                {"training.epochs=3"});
  ASSERT_EQ(spec.members.size(), 2U);
  EXPECT_EQ(spec.members[0].training.length, 3);
  EXPECT_EQ(spec.members[1].training.length, 5);
}

TEST(Overrides, MakeTheSectionsThatAreMissing) {
  const EnsembleSpec spec = MustParse(kHeadWithMember, {"training.optimizer.lr=0.5", "ensemble.combiner=vote"});
  EXPECT_EQ(spec.members.at(0).training.optimizer.parameters["lr"], 0.5);
  EXPECT_EQ(spec.combiner.name, "vote");
}

TEST(Overrides, LaterOnesWin) {
  EXPECT_EQ(MustParse(kHeadWithMember, {"training.epochs=3", "training.steps=7", "training.epochs=4"})
                .members.at(0)
                .training.length,
            4);
}

TEST(Overrides, TakeYamlAndDropSiblingsOfAChangedName) {
  EXPECT_EQ(MustParse(kExample, {"training.optimizer={name: adam}"}).members.at(0).training.optimizer,
            DefaultChoice(ChoiceKind::kOptimizer, "adam"));
  EXPECT_EQ(MustParse(kExample, {"training.optimizer.name=adam"}).members.at(0).training.optimizer,
            DefaultChoice(ChoiceKind::kOptimizer, "adam"));
  EXPECT_THAT(MustParse(kExample, {"augment=[]"}).members.at(0).augment, IsEmpty());
  EXPECT_EQ(MustParse(kExample, {"data.path=a=b"}).data.path, "/base/a=b");
}

TEST(Overrides, ReachOneEntryOfTheMembers) {
  const EnsembleSpec spec = MustParse(kExample, {"members.0.seeds=1", "members.1.training.optimizer.lr=0.3"});
  EXPECT_THAT(MemberNames(spec), ElementsAre("lenet5-s0", "resnet8-s7", "resnet8-s8"));
  EXPECT_EQ(spec.members.at(1).training.optimizer, (Choice{"sgd", Sgd(0.3)}));
  EXPECT_THAT(MemberNames(MustParse(kExample, {"members=[{model: mlp}]"})), ElementsAre("mlp-s0"));
  EXPECT_THAT(MemberNames(MustParse(kExample, {"members.0.seed=4"})),
              ElementsAre("lenet5-s4", "resnet8-s7", "resnet8-s8"));
}

// ---- JSON ----

TEST(Json, ComesBackAsTheSameEnsemble) {
  const EnsembleSpec spec = MustParse(kExample);
  const auto back = EnsembleFromJson(ToJson(spec));
  ASSERT_TRUE(back) << back.error().Text();
  EXPECT_EQ(*back, spec);
  EXPECT_EQ(EnsembleFromText(ToJson(spec).dump()), spec);
}

TEST(Json, ThatIsNoneIsInvalid) { EXPECT_EQ(EnsembleFromText("{").error().code, ErrorCode::kInvalid); }

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
