#include "common/spec/keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/ids.h"
#include "common/result.h"

namespace tutti::spec {
namespace {

constexpr const char* kNamePattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
constexpr int64_t kLargestBatch = 1'000'000;

Json WholeNumber(int64_t minimum) { return {{"type", "integer"}, {"minimum", minimum}}; }

Json FractionSchema() { return {{"type", "number"}, {"exclusiveMinimum", 0}, {"exclusiveMaximum", 1}}; }

SpecialType NameType() {
  return {
      fmt::format("letters, digits, '.', '_' and '-', first a letter or digit, at most {}", kLongestName),
      {{"type", Json::array({"string", "number", "boolean"})}, {"pattern", kNamePattern}, {"maxLength", kLongestName}}};
}

SpecialType PathType() { return {"a path", {{"type", "string"}, {"minLength", 1}}}; }

SpecialType PartType(std::string words, Json more) {
  Json any = Json::array({WholeNumber(1), FractionSchema()});
  any.push_back(std::move(more));
  return {std::move(words), {{"anyOf", std::move(any)}}};
}

Json SlotsSchema() {
  const Json count = {{"type", "integer"}, {"minimum", 1}, {"maximum", kMostSlots}};
  return {{"anyOf", Json::array({count,
                                 {{"type", "object"},
                                  {"properties", {{"min", count}, {"max", count}, {"spread", {{"type", "boolean"}}}}},
                                  {"required", Json::array({"min", "max"})},
                                  {"additionalProperties", false}}})}};
}

SpecialType SlotMemoryType() {
  return {"none, or a number and a unit: 6 GB, 512 MiB",
          {{"anyOf",
            Json::array({{{"const", "none"}}, {{"type", "string"}, {"pattern", "^[0-9.]+ ([kMGT]|[KMGT]i)?B$"}}})}}};
}

Json SeedsSchema() {
  return {{"anyOf", Json::array({{{"type", "integer"}, {"minimum", 1}, {"maximum", kMostMembers}},
                                 {{"type", "array"},
                                  {"minItems", 1},
                                  {"maxItems", kMostMembers},
                                  {"uniqueItems", true},
                                  {"items", WholeNumber(0)}}})}};
}

std::vector<Key> MakeKeys() {
  return {
      {"version", SpecialType{"1", {{"const", 1}}}, "required", nullptr, nullptr, "Version of this format."},
      {"name", NameType(), "required", nullptr, "fashion-mnist",
       "The ensembles of this experiment are `NAME-1`, "
       "`NAME-2` and so on."},

      {"data", SectionType{}, "required", nullptr, nullptr, "What all members learn from."},
      {"data.source", ChoiceType{ChoiceKind::kSource}, "required", nullptr, nullptr, "What kind of data it is."},
      {"data.path", PathType(), "required", nullptr, "elsewhere",
       "Where it is; relative to this file. `${VARIABLE}` and a leading `~` are replaced."},
      {"data.validation", PartType("a count or a fraction of the training part, or 0 for none", {{"const", 0}}), "0.1",
       0.1, 5000, "Samples held back from training: they choose the best member and epoch, and never train."},
      {"data.split_seed", IntegerType{0}, "0", 0, 7, "Draws what is held back; the same for every member."},
      {"data.test",
       SpecialType{"source, none, or a count taken from the training part",
                   {{"anyOf", Json::array({{{"enum", Json::array({"source", "none"})}}, WholeNumber(1)})}}},
       "source", "source", 1000,
       "What the ensemble is tested on: the source's own test part, nothing, or so many "
       "samples."},
      {"data.calibration", PartType("none, a count or a fraction of the training part", {{"const", "none"}}), "none",
       "none", 2000,
       "Samples that nothing but a calibrator sees; none uses them yet, the predictions on them are written."},

      {"prepare", SectionType{}, "", nullptr, nullptr, "How images are made ready; a member may override it."},
      {"prepare.normalize", EnumType{{"auto", "none"}}, "auto", "auto", "none",
       "`auto` subtracts each channel's mean and divides by its deviation, both of the training part; `none` leaves "
       "pixels from 0 to 1."},
      {"prepare.resize",
       SpecialType{fmt::format("none, or the side of the square in pixels, from 1 to {}", kLargestImage),
                   {{"anyOf", Json::array({{{"const", "none"}},
                                           {{"type", "integer"}, {"minimum", 1}, {"maximum", kLargestImage}}})}}},
       "none", "none", 32, "Scales every image to this height and width (bilinear)."},

      {"augment", ChoiceListType{ChoiceKind::kAugmentation}, "[]", Json::array(),
       Json::array({{{"crop", {{"padding", 2}}}}}),
       "What is changed at random in training images, in this order; a member may replace the list."},

      {"training", SectionType{}, "", nullptr, nullptr, "How members learn; a member may override it."},
      {"training.epochs", IntegerType{1, 1'000'000}, "10", 10, 3, "Passes over the training part. Not with `steps`."},
      {"training.steps", IntegerType{1, 1'000'000'000'000}, "", nullptr, 5000,
       "Batches to train on. Not with "
       "`epochs`."},
      {"training.batch_size", IntegerType{1, kLargestBatch}, "128", 128, 256,
       "Samples of a global batch: where and how wide a member runs does not change it."},
      {"training.optimizer", ChoiceType{ChoiceKind::kOptimizer}, "sgd", "sgd", "adam", "How weights are updated."},
      {"training.schedule", ChoiceType{ChoiceKind::kSchedule}, "constant", "constant", "cosine",
       "How the learning rate changes."},
      {"training.label_smoothing", FromToBelow(0, 1), "0", 0.0, 0.1,
       "Part of a label that is spread evenly over all classes."},
      {"training.clip_norm",
       SpecialType{"none or a number above 0",
                   {{"anyOf", Json::array({{{"const", "none"}}, {{"type", "number"}, {"exclusiveMinimum", 0}}})}}},
       "none", "none", 1.5, "Longest gradient (2-norm over all parameters); longer ones are scaled down."},
      {"training.checkpoint", SectionType{}, "", nullptr, nullptr, "What survives a crash."},
      {"training.checkpoint.every",
       SpecialType{"a number and a unit: 1 epoch, 500 steps, 10 minutes",
                   {{"type", "string"}, {"pattern", "^[0-9.eE+-]+ +(epoch|step|minute)s?$"}}},
       "1 epoch", "1 epoch", "500 steps", "How often a member's state is saved. Epochs and steps are whole numbers."},
      {"training.checkpoint.keep", IntegerType{1, 1'000'000}, "2", 2, 5,
       "How many of the newest stay; the best by validation loss stays as well."},
      {"training.predict", EnumType{{"last", "best"}}, "last", "last", "best",
       "Which weights answer: those of the end, or of the epoch with the lowest validation loss. With `best` each "
       "epoch that is the best so far leaves a checkpoint, whatever `checkpoint.every` says."},

      {"slot_memory", SlotMemoryType(), "none", "none", "6 GB",
       "Memory that every slot must have on which members train: the GPU's, or the slot's share of the machine's. "
       "Workers "
       "that do not tell theirs count as having enough."},

      {"members", SectionListType{}, "required", nullptr, nullptr,
       "What is trained: each entry stands for one member "
       "for each of its seeds."},
      {"members[].model", ChoiceType{ChoiceKind::kModel}, "required", nullptr, "lenet5", "Its architecture."},
      {"members[].model.weights", PathType(), "its seed's", nullptr, "start.safetensors",
       "A `model.safetensors` of the same model, which it begins with in place of first weights that its seed draws; "
       "relative to this file, with which it travels. Names, shapes and types must be the model's own."},
      {"members[].seeds",
       SpecialType{fmt::format("a count from 1 to {}, or a list of different whole numbers, 0 or more", kMostMembers),
                   SeedsSchema()},
       "1", 1, Json::array({7, 8}), "`5` means 0 to 4. A member is called `MODEL-sSEED`. Not with `seed`."},
      {"members[].seed", IntegerType{0}, "", nullptr, 7,
       "One seed, where `name` is to be the whole name. Not with "
       "`seeds`."},
      {"members[].name", NameType(), "the model's", nullptr, "wide",
       "Stands for MODEL in the name, `wide-s0`; with `seed` it is the whole name."},
      {"members[].slots",
       SpecialType{fmt::format("a count from 1 to {}, or {{min: 1, max: 4}} with min not above max", kMostSlots),
                   SlotsSchema()},
       "1", 1, 2,
       "Slots (GPUs, or shares of the CPU) that train it together. Between `min` and `max` as many as are free. On one "
       "worker where they fit, else on several of one launch domain; `spread: false` beside `min` and `max` forbids "
       "that."},
      {"members[].slot_memory", SlotMemoryType(), "as `slot_memory`", nullptr, "6 GB", "Its own need."},
      {"members[].prepare", SectionType{}, "as `prepare`", nullptr, nullptr, "Keys of `prepare` that differ for it."},
      {"members[].augment", ChoiceListType{ChoiceKind::kAugmentation}, "as `augment`", nullptr,
       Json::array({{{"crop", {{"padding", 2}}}}}), "Its own list."},
      {"members[].training", SectionType{}, "as `training`", nullptr, nullptr,
       "Keys of `training` that differ for "
       "it."},

      {"ensemble", SectionType{}, "", nullptr, nullptr, "How members answer together."},
      {"ensemble.combiner", ChoiceType{ChoiceKind::kCombiner}, "mean", "mean", "vote",
       "The one that answers; the report compares all."},
      {"ensemble.minimum_members",
       SpecialType{"all, or a count from 1 to the number of members",
                   {{"anyOf", Json::array({{{"const", "all"}}, WholeNumber(1)})}}},
       "all", "all", 1, "With fewer finished members the answer is marked incomplete (exit code 5)."},
  };
}

std::string_view SectionOf(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

}  // namespace

const std::vector<Key>& Keys() {
  static const std::vector<Key> kKeys = MakeKeys();
  return kKeys;
}

const Key& KeyAt(std::string_view path) {
  const auto found = std::find_if(Keys().begin(), Keys().end(), [&](const Key& key) { return key.path == path; });
  TUTTI_CHECK(found != Keys().end());
  return *found;
}

std::vector<std::string> KeysIn(std::string_view section) {
  std::vector<std::string> names;
  for (const Key& key : Keys()) {
    if (SectionOf(key.path) != section) continue;
    names.push_back(section.empty() ? key.path : key.path.substr(section.size() + 1));
  }
  return names;
}

const std::vector<ExclusiveKeys>& ExclusivePairs() {
  static const std::vector<ExclusiveKeys> kPairs = {{"training", "epochs", "steps"}, {"members[]", "seeds", "seed"}};
  return kPairs;
}

}  // namespace tutti::spec
