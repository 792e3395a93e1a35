// The resolved experiment is an experiment, and the same one: held over many generated ones.
#include "common/spec/render.h"

#include <gmock/gmock.h>

#include <random>

#include "common/spec/descriptor.h"
#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::HasSubstr;

// Draws any ensemble that an experiment can describe; the same one for the same seed.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  EnsembleSpec Ensemble() {
    EnsembleSpec spec;
    spec.name = Pick<std::string>({"t", "fashion-mnist", "null", "1", "1e5", "true", "v1.2_x-y"});
    spec.data = Data();
    const int64_t members = Below(4) + 1;
    for (int64_t i = 0; i < members; ++i) spec.members.push_back(Member(i));
    spec.combiner = Draw(ChoiceKind::kCombiner);
    if (Coin()) spec.minimum_members = static_cast<int>(Below(members) + 1);
    return spec;
  }

 private:
  DataSpec Data() {
    DataSpec data;
    data.source = "idx";
    data.path = Pick<std::string>({"/data/mnist", "/with space/x", "/q\"uo'te", "/ümlaut/✓", "/a: b #c", "/$x/~", "/-",
                                   "/line\nbreak\ttab\x01", "/\xC2\x9B\x7F", "/{a}/[b]", "/"});
    data.validation = Coin() ? Part() : PartSize(int64_t{1});
    data.split_seed = Pick<int64_t>({0, 7, INT64_MAX});
    data.test = Pick<decltype(DataSpec::test)>({DataSpec::SourceTest{}, DataSpec::NoTest{}, int64_t{17}});
    if (Coin()) data.calibration = Part();
    return data;
  }

  MemberSpec Member(int64_t index) {
    MemberSpec member;
    member.name = fmt::format("{}{}", Pick<std::string>({"lenet5-s", "0x", "1e", "no", "a.b_c-"}), index);
    member.model = Draw(ChoiceKind::kModel);
    if (Coin()) member.weights = Pick<std::string>({"/data/start.safetensors", "/a b/x: 'y', [z].safetensors"});
    member.seed = Pick<int64_t>({0, 3, INT64_MAX});
    member.slots.min = static_cast<int>(Below(4) + 1);
    member.slots.max = member.slots.min + (Coin() ? 0 : 3);
    if (Coin()) member.slots.spread = SlotsSpec::Spread::kOneWorker;
    if (Coin()) member.slot_memory_bytes = Pick<uint64_t>({1, 6'000'000'000, uint64_t{6} << 30, 123'456'789});
    member.prepare.normalize = Coin() ? PrepareSpec::Normalize::kAuto : PrepareSpec::Normalize::kNone;
    if (Coin()) member.prepare.resize = Below(500) + 1;
    for (int64_t i = Below(4); i > 0; --i) member.augment.push_back(Draw(ChoiceKind::kAugmentation));
    member.training = Training();
    return member;
  }

  TrainingSpec Training() {
    TrainingSpec training;
    training.length_unit = Coin() ? TrainingSpec::LengthUnit::kEpochs : TrainingSpec::LengthUnit::kSteps;
    training.length = 100 + Below(1000);
    training.batch_size = Below(1000) + 1;
    training.optimizer = Draw(ChoiceKind::kOptimizer);
    training.schedule = Draw(ChoiceKind::kSchedule);
    MakeFit(training);
    training.label_smoothing = Coin() ? 0 : Fraction();
    if (Coin()) training.clip_norm = Fraction() * 100;
    training.checkpoint.unit = Pick<CheckpointSpec::Unit>(
        {CheckpointSpec::Unit::kEpochs, CheckpointSpec::Unit::kSteps, CheckpointSpec::Unit::kMinutes});
    const bool minutes = training.checkpoint.unit == CheckpointSpec::Unit::kMinutes;
    training.checkpoint.every = minutes && Coin() ? Fraction() : static_cast<double>(Below(100000) + 1);
    training.checkpoint.keep = static_cast<int>(Below(9) + 1);
    training.predict = Coin() ? TrainingSpec::Predict::kLast : TrainingSpec::Predict::kBest;
    return training;
  }

  // What the parser holds together.
  void MakeFit(TrainingSpec& training) {
    Json& schedule = training.schedule.parameters;
    if (schedule.contains("min_lr")) schedule["min_lr"] = training.optimizer.parameters["lr"].get<double>() / 2;
    if (schedule.contains("warmup_epochs")) schedule["warmup_epochs"] = Fraction() * 90;
    Json& optimizer = training.optimizer.parameters;
    if (optimizer.contains("nesterov") && optimizer["nesterov"] == true) {
      optimizer["momentum"] = 0.5;
      optimizer["dampening"] = 0.0;
    }
  }

  Choice Draw(ChoiceKind kind) {
    const std::vector<Descriptor>& all = Descriptors(kind);
    const Descriptor& descriptor = all[static_cast<size_t>(Below(static_cast<int64_t>(all.size())))];
    Choice choice{descriptor.name, Json::object()};
    for (const Parameter& parameter : descriptor.parameters) choice.parameters[parameter.name] = Value(parameter.type);
    return choice;
  }

  Json Value(const ValueType& type) {
    if (const auto* integer = std::get_if<IntegerType>(&type)) return integer->minimum + Below(20);
    if (const auto* names = std::get_if<EnumType>(&type)) return Pick(names->names);
    if (std::holds_alternative<SwitchType>(type)) return Coin();
    if (std::holds_alternative<IntegerListType>(type)) {
      Json list = Json::array();
      for (int64_t i = Below(30); i > 0; --i) list.push_back(Below(1000) + 1);
      return list;
    }
    return Fraction();  // within the range of every number
  }

  PartSize Part() { return Coin() ? PartSize(Below(100000) + 1) : PartSize(Fraction()); }
  bool Coin() { return Below(2) == 0; }
  int64_t Below(int64_t limit) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit)); }
  // In (0, 1), from 1e-300 to numbers with 17 digits.
  double Fraction() {
    const double fraction = (static_cast<double>(random_() % 1000000) + 1) / 1000002;
    return Pick<double>({fraction, 0.1, 1e-7, 1e-300, 0.30000000000000004});
  }
  template <typename T>
  T Pick(const std::vector<T>& values) {
    return values[static_cast<size_t>(Below(static_cast<int64_t>(values.size())))];
  }

  std::mt19937_64 random_;
};

constexpr uint64_t kSeeds = 500;

TEST(Render, GivesAnExperimentThatParsesToTheSameEnsemble) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const EnsembleSpec spec = Generator(seed).Ensemble();
    const std::string yaml = RenderYaml(spec);
    ASSERT_EQ(MustParse(yaml), spec) << "seed " << seed << "\n" << yaml;
  }
}

TEST(Render, JsonOfAnyEnsembleComesBackAndIsAnExperimentToo) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const EnsembleSpec spec = Generator(seed).Ensemble();
    const auto back = EnsembleFromJson(ToJson(spec));
    ASSERT_TRUE(back) << "seed " << seed << ": " << back.error().Text();
    ASSERT_EQ(*back, spec) << "seed " << seed;
    ASSERT_EQ(ToJson(*back).dump(), ToJson(spec).dump()) << "seed " << seed;
    ASSERT_EQ(MustParse(ToJson(spec).dump()), spec) << "seed " << seed;
    ASSERT_EQ(*ParseJson(ToJson(spec).dump()), ToJson(spec)) << "seed " << seed;
  }
}

TEST(Render, OfTheLargestEnsembleIsStillAnExperimentFile) {
  const std::string augment = "augment: [crop, flip, {crop: {padding: 1024}}, flip]\n";
  const std::string hidden = Json(std::vector<int64_t>(64, 65536)).dump();
  const EnsembleSpec spec =
      MustParse(WithHead(augment + "members: [{model: {name: mlp, hidden: " + hidden +
                         "}, name: " + std::string(70, 'x') + ", seeds: 1000, slots: {min: 1, max: 4096}}]\n"));
  ASSERT_EQ(spec.members.size(), 1000U);
  EXPECT_EQ(MustParse(RenderYaml(spec)), spec);
}

TEST(Render, OfAnExampleReadsWell) {
  const std::string yaml = RenderYaml(MustParse(kExample));
  EXPECT_THAT(yaml, HasSubstr("version: 1\n"
                              "name: fashion-mnist\n"
                              "data:\n"
                              "  source: idx\n"
                              "  path: /base/data/fashion-mnist\n"
                              "  validation: 5000\n"
                              "  split_seed: 0\n"
                              "  test: source\n"
                              "  calibration: none\n"
                              "members:\n"
                              "  - name: lenet5-s0\n"
                              "    model: {name: lenet5, padding: classic, init: torch}\n"
                              "    seed: 0\n"
                              "    slots: 1\n"
                              "    prepare: {normalize: auto, resize: none}\n"
                              "    augment: [{crop: {padding: 2}}, {flip: {direction: horizontal}}]\n"
                              "    training:\n"
                              "      epochs: 10\n"));
  EXPECT_THAT(yaml, HasSubstr("      checkpoint: {every: 1 epoch, keep: 2}\n"));
  EXPECT_THAT(yaml, HasSubstr("ensemble:\n  combiner: {name: mean}\n  minimum_members: all\n"));
}

TEST(Render, IsSafeToShowOnATerminal) {
  EnsembleSpec spec = MustParse(kHeadWithMember);
  spec.data.path = "/\x1b[2J/\xC2\x9B\x7F";
  EXPECT_THAT(RenderYaml(spec), HasSubstr("path: \"/\\u001b[2J/\\u009b\\u007f\"\n"));
}

TEST(Render, IntervalsReadAsPeopleWriteThem) {
  const auto every = [](const std::string& text) {
    return RenderYaml(MustParse(WithMember("training: {checkpoint: {every: " + text + "}}\n")));
  };
  EXPECT_THAT(every("1 epochs"), HasSubstr("{every: 1 epoch, keep"));
  EXPECT_THAT(every("500 step"), HasSubstr("{every: 500 steps, keep"));
  EXPECT_THAT(every("0.5 minute"), HasSubstr("{every: 0.5 minutes, keep"));
}

TEST(Render, NumbersAndWordsReadTheSameInOtherYamlLibraries) {
  EnsembleSpec spec = MustParse(WithMember("training: {optimizer: {name: adam, eps: 1e-7}}\n"));
  spec.members[0].name = "null";
  spec.name = "1e5";
  const std::string yaml = RenderYaml(spec);
  EXPECT_THAT(yaml, HasSubstr("eps: 1.0e-07"));
  EXPECT_THAT(yaml, HasSubstr("- name: \"null\"\n"));
  EXPECT_THAT(yaml, HasSubstr("name: \"1e5\"\n"));
}

}  // namespace
}  // namespace tutti::spec::test
