// Holds the table of keys, the descriptors, the parser, the JSON Schema, the docs and the example files together.
// TUTTI_UPDATE_REFERENCE=1 in the environment writes the generated files anew.
#include "common/spec/reference.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/spec/descriptor.h"
#include "common/spec/keys.h"
#include "common/spec/nearest.h"
#include "common/spec/render.h"
#include "tests/common/spec/experiment.h"
#include "tests/common/spec/schema_check.h"

namespace tutti::spec::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::filesystem::path kSource = TUTTI_SOURCE_DIR;

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Compares a committed file with what is generated now, after writing it when asked to.
void ExpectGenerated(const std::filesystem::path& path, const std::string& text) {
  if (std::getenv("TUTTI_UPDATE_REFERENCE") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(ReadText(path), text) << path << " is out of date: run this test with TUTTI_UPDATE_REFERENCE=1";
}

TEST(Reference, CommittedSchemaIsTheGeneratedOne) {
  ExpectGenerated(kSource / "configs" / "experiment.schema.json", ExperimentSchema().dump(2) + "\n");
}

TEST(Reference, TablesInTheDocsAreTheGeneratedOnes) {
  const std::filesystem::path page = kSource / "docs" / "experiment.md";
  const auto with_keys = ReplaceGenerated(ReadText(page), "keys", KeysTable());
  ASSERT_TRUE(with_keys) << with_keys.error().Text();
  const auto whole = ReplaceGenerated(*with_keys, "choices", ChoicesTables());
  ASSERT_TRUE(whole) << whole.error().Text();
  ExpectGenerated(page, *whole);
}

TEST(Reference, PageWithoutAPlaceForATableIsAnError) {
  const auto result = ReplaceGenerated("# no marks\n", "keys", "text");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message, HasSubstr("<!-- keys: generated -->"));
}

// ---- keys and parser ----

// {"a": {"b": value}} for "a.b"; "members[]" is the one member.
Json& At(Json& experiment, const std::string& path) {
  Json* node = &experiment;
  std::stringstream words(path);
  for (std::string word; std::getline(words, word, '.');)
    node = word == "members[]" ? &(*node)["members"][0] : &(*node)[word];
  return *node;
}

Json SmallExperiment() {
  return {{"version", 1},
          {"name", "t"},
          {"data", {{"source", "idx"}, {"path", "/data"}}},
          {"members", Json::array({{{"model", {{"name", "mlp"}}}}})}};
}

TEST(Keys, EveryDocumentedKeyIsAcceptedAndItsExampleChangesTheEnsemble) {
  const EnsembleSpec plain = MustParse(SmallExperiment().dump());
  for (const Key& key : Keys()) {
    if (key.example.is_null()) continue;
    Json experiment = SmallExperiment();
    At(experiment, key.path) = key.example;
    EXPECT_NE(MustParse(experiment.dump()), plain) << key.path;
    EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), IsEmpty()) << key.path;
  }
}

TEST(Keys, EveryDocumentedDefaultIsWhatLeavingTheKeyOutMeans) {
  // minimum_members: 1 of 1 is not `all`, so the plain experiment serves for every default.
  const EnsembleSpec plain = MustParse(SmallExperiment().dump());
  for (const Key& key : Keys()) {
    if (key.default_value.is_null()) continue;
    Json experiment = SmallExperiment();
    At(experiment, key.path) = key.default_value;
    EXPECT_EQ(MustParse(experiment.dump()), plain) << key.path;
    EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), IsEmpty()) << key.path;
  }
}

TEST(Keys, EveryRequiredKeyIsMissedByParserAndSchema) {
  for (const Key& key : Keys()) {
    if (key.default_words != "required") continue;
    Json experiment = SmallExperiment();
    const size_t dot = key.path.rfind('.');
    Json& section = dot == std::string::npos ? experiment : At(experiment, key.path.substr(0, dot));
    section.erase(dot == std::string::npos ? key.path : key.path.substr(dot + 1));
    EXPECT_THAT(Mistakes(experiment.dump()), ElementsAre(HasSubstr(key.path + " is missing; allowed: "))) << key.path;
    EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), Not(IsEmpty())) << key.path;
  }
}

TEST(Keys, EverySectionRefusesAnUnknownKeyInParserAndSchema) {
  for (const std::string section :
       {"", "data", "prepare", "training", "training.checkpoint", "members[]", "ensemble"}) {
    Json experiment = SmallExperiment();
    At(experiment, section.empty() ? "strange" : section + ".strange") = 1;
    EXPECT_THAT(Mistakes(experiment.dump()), ElementsAre(HasSubstr("unknown key 'strange'"))) << section;
    EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), Not(IsEmpty())) << section;
  }
}

TEST(Keys, WhatTheResolvedExperimentWritesIsDocumented) {
  const Json resolved = ToJson(MustParse(kExample));
  const auto expect_known = [](const Json& map, const std::string& section) {
    const std::vector<std::string> known = KeysIn(section);
    for (const auto& [word, value] : map.items()) EXPECT_THAT(known, testing::Contains(word)) << section;
  };
  expect_known(resolved, "");
  expect_known(resolved["data"], "data");
  expect_known(resolved["ensemble"], "ensemble");
  expect_known(resolved["members"][0], "members[]");
  expect_known(resolved["members"][0]["training"], "training");
  expect_known(resolved["members"][0]["prepare"], "prepare");
  EXPECT_EQ(resolved["members"][0]["training"].size() + 1, KeysIn("training").size())
      << "all but one of epochs and steps";
}

TEST(Keys, EachHasASentenceThatEndsAsOne) {
  for (const Key& key : Keys()) EXPECT_TRUE(key.sentence.ends_with('.')) << key.path;
}

// ---- descriptors ----

constexpr ChoiceKind kKinds[] = {ChoiceKind::kModel,        ChoiceKind::kOptimizer, ChoiceKind::kSchedule,
                                 ChoiceKind::kAugmentation, ChoiceKind::kCombiner,  ChoiceKind::kSource};

// An experiment in which `choice` stands where its kind belongs.
Json ExperimentWith(ChoiceKind kind, const Json& choice) {
  Json experiment = SmallExperiment();
  switch (kind) {
    case ChoiceKind::kModel:
      experiment["members"][0]["model"] = choice;
      break;
    case ChoiceKind::kOptimizer:
      experiment["training"]["optimizer"] = choice;
      break;
    case ChoiceKind::kSchedule:
      experiment["training"]["schedule"] = choice;
      break;
    case ChoiceKind::kAugmentation:
      experiment["augment"] = Json::array({choice});
      break;
    case ChoiceKind::kCombiner:
      experiment["ensemble"]["combiner"] = choice;
      break;
    case ChoiceKind::kSource:
      experiment["data"]["source"] = choice;
      break;
  }
  return experiment;
}

TEST(Descriptors, DefaultsAreWhatTheyThemselvesAllow) {
  for (const ChoiceKind kind : kKinds) {
    for (const Descriptor& descriptor : Descriptors(kind)) {
      const Choice choice = DefaultChoice(kind, descriptor.name);
      const auto completed = CompleteChoice(kind, ChoiceToJson(kind, choice));
      ASSERT_TRUE(completed) << completed.error().Text();
      EXPECT_EQ(completed->parameters.dump(), choice.parameters.dump()) << descriptor.name;
    }
  }
}

TEST(Descriptors, EveryChoiceIsAcceptedByParserAndSchemaAsANameAndWrittenOut) {
  for (const ChoiceKind kind : kKinds) {
    for (const Descriptor& descriptor : Descriptors(kind)) {
      for (const Json& form : {Json(descriptor.name), ChoiceToJson(kind, DefaultChoice(kind, descriptor.name))}) {
        const Json experiment = ExperimentWith(kind, form);
        EXPECT_THAT(Mistakes(experiment.dump()), IsEmpty()) << descriptor.name;
        EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), IsEmpty()) << descriptor.name;
      }
    }
  }
}

TEST(Descriptors, EveryParameterIsRefusedByParserAndSchemaWhenItIsAMap) {
  for (const ChoiceKind kind : kKinds) {
    for (const Descriptor& descriptor : Descriptors(kind)) {
      for (const Parameter& parameter : descriptor.parameters) {
        Choice choice = DefaultChoice(kind, descriptor.name);
        choice.parameters[parameter.name] = {{"strange", 1}};
        const Json experiment = ExperimentWith(kind, ChoiceToJson(kind, choice));
        EXPECT_THAT(Mistakes(experiment.dump()), ElementsAre(HasSubstr(parameter.name + " is a map; allowed: ")));
        EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), Not(IsEmpty()));
      }
    }
  }
}

TEST(Descriptors, EachHasASentenceAndNoParameterIsCalledName) {
  for (const ChoiceKind kind : kKinds) {
    for (const Descriptor& descriptor : Descriptors(kind)) {
      EXPECT_TRUE(descriptor.sentence.ends_with('.')) << descriptor.name;
      for (const Parameter& parameter : descriptor.parameters) {
        EXPECT_NE(parameter.name, "name") << descriptor.name;
        EXPECT_TRUE(parameter.sentence.ends_with('.')) << descriptor.name << "." << parameter.name;
        EXPECT_THAT(ChoicesTables(), HasSubstr("`" + parameter.name + "`"));
      }
    }
  }
}

TEST(Descriptors, ShortFormNamesAParameterThatThereIs) {
  for (const Descriptor& descriptor : Descriptors(ChoiceKind::kAugmentation)) {
    if (descriptor.scalar_parameter.empty()) continue;
    EXPECT_TRUE(
        DefaultChoice(ChoiceKind::kAugmentation, descriptor.name).parameters.contains(descriptor.scalar_parameter));
  }
}

// ---- the schema against what the parser takes ----

TEST(Schema, TakesResolvedExperiments) {
  EXPECT_THAT(CheckAgainstSchema(ToJson(MustParse(kExample)), ExperimentSchema()), IsEmpty());
}

TEST(Schema, RefusesValuesThatTheParserRefuses) {
  const std::pair<const char*, Json> bad[] = {
      {"training.epochs", 0},
      {"training.epochs", "3"},
      {"training.predict", "first"},
      {"data.validation", 1.5},
      {"data.calibration", 0},
      {"members[].seeds", Json::array()},
      {"members[].slots", 0},
      {"members[].slots", {{"min", 1}}},
      {"members[].slots", {{"min", 1}, {"max", 1}, {"spread", 1}}},
      {"members[].model.weights", Json::array()},
      {"members[].slot_memory", "6 gigabytes"},
      {"slot_memory", 6},
      {"training.checkpoint.every", "often"},
      {"ensemble.minimum_members", 0},
      {"name", "a/b"},
      {"version", 2},
      {"training.optimizer", {{"name", "sgd"}, {"eps", 1}}},
  };
  for (const auto& [path, value] : bad) {
    Json experiment = SmallExperiment();
    At(experiment, path) = value;
    EXPECT_THAT(Mistakes(experiment.dump()), Not(IsEmpty())) << path;
    EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), Not(IsEmpty())) << path;
  }
}

TEST(Schema, RefusesEpochsBesideSteps) {
  Json experiment = SmallExperiment();
  experiment["training"] = {{"epochs", 1}, {"steps", 1}};
  EXPECT_THAT(CheckAgainstSchema(experiment, ExperimentSchema()), Not(IsEmpty()));
}

// ---- files that people start from ----

TEST(Configs, EachIsAnExperimentThatResolvesToItself) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "configs")) {
    if (entry.path().extension() != ".yaml") continue;
    ++found;
    const auto file = ParseFile(entry.path(), {});
    ASSERT_TRUE(file) << Texts(file.error()).front();
    EXPECT_EQ(MustParse(RenderYaml(file->spec)), file->spec) << entry.path();
    EXPECT_THAT(CheckAgainstSchema(ToJson(file->spec), ExperimentSchema()), IsEmpty()) << entry.path();
  }
  EXPECT_GE(found, 3);
}

TEST(Configs, TenLenetsAreTheRecipeOfUncertaintyBaselines) {
  const auto file = ParseFile(kSource / "configs" / "fashion_mnist_lenet5x10.yaml", {});
  ASSERT_TRUE(file);
  const EnsembleSpec& spec = file->spec;
  ASSERT_EQ(spec.members.size(), 10U);
  EXPECT_EQ(spec.data.validation, PartSize(int64_t{10000}));
  const MemberSpec& member = spec.members[9];
  EXPECT_EQ(member.model, (Choice{"lenet5", {{"padding", "same"}, {"init", "glorot"}}}));
  EXPECT_EQ(member.prepare.normalize, PrepareSpec::Normalize::kNone);
  EXPECT_EQ(member.training.length, 25);
  EXPECT_EQ(member.training.length_unit, TrainingSpec::LengthUnit::kEpochs);
  EXPECT_EQ(member.training.batch_size, 256);
  EXPECT_EQ(member.training.optimizer.name, "adam");
  EXPECT_EQ(member.training.optimizer.parameters["lr"], 1e-3);
  EXPECT_EQ(member.training.optimizer.parameters["eps"], 1e-7);
  EXPECT_EQ(member.training.schedule.name, "constant");
  EXPECT_THAT(member.augment, IsEmpty());
}

// The YAML block of the docs page.
TEST(Docs, ExampleIsAnExperiment) {
  const std::string page = ReadText(kSource / "docs" / "experiment.md");
  const size_t begin = page.find("```yaml\n") + 8;
  const EnsembleSpec spec = MustParse(page.substr(begin, page.find("```\n", begin) - begin));
  EXPECT_EQ(spec.members.size(), 7U);
}

// ---- nearest names ----

TEST(Nearest, CountsChangesAndSwaps) {
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("abc", "abc"), 0U);
  EXPECT_EQ(EditDistance("sdg", "sgd"), 1U);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
}

TEST(Nearest, NamesNothingThatIsNotNear) {
  const std::vector<std::string> names = {"mean", "vote", "n"};
  EXPECT_EQ(Nearest("meen", names), "mean");
  EXPECT_EQ(Nearest("stacking", names), std::nullopt);
  EXPECT_EQ(Nearest("x", names), std::nullopt);
  EXPECT_EQ(Nearest("", names), std::nullopt);
  EXPECT_EQ(Nearest(std::string(5000, 'm'), names), std::nullopt);
}

}  // namespace
}  // namespace tutti::spec::test
