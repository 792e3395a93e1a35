// A resolved experiment: every default filled in, every member written out. Plain data; LibTorch-free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace tutti::spec {

// A named choice with its parameters, all of them, as its descriptor (descriptor.h) declares them.
struct Choice {
  std::string name;  // "lenet5", "sgd", "crop"
  Json parameters = Json::object();
  bool operator==(const Choice&) const = default;
};

// Part of the training split, either as a count of samples or as a fraction in (0, 1).
using PartSize = std::variant<int64_t, double>;

struct DataSpec {
  std::string source;          // "idx"
  std::filesystem::path path;  // absolute once resolved
  PartSize validation = int64_t{0};
  int64_t split_seed = 0;
  // The source's own test split ("source"), none, or a count drawn from the training part.
  struct SourceTest {
    bool operator==(const SourceTest&) const = default;
  };
  struct NoTest {
    bool operator==(const NoTest&) const = default;
  };
  std::variant<SourceTest, NoTest, int64_t> test = SourceTest{};
  std::optional<PartSize> calibration;
  bool operator==(const DataSpec&) const = default;
};

// How images are made ready for one member.
struct PrepareSpec {
  enum class Normalize { kAuto, kNone };  // kAuto: mean and deviation of each channel of the training split
  Normalize normalize = Normalize::kAuto;
  std::optional<int64_t> resize;  // scale to this height and width in pixels (bilinear); nullopt: as they are
  bool operator==(const PrepareSpec&) const = default;
};

struct CheckpointSpec {
  enum class Unit { kEpochs, kSteps, kMinutes };
  double every = 1;  // above 0; a whole number of epochs or steps
  Unit unit = Unit::kEpochs;
  int keep = 2;  // newest; the best by validation loss is kept as well
  bool operator==(const CheckpointSpec&) const = default;
};

struct TrainingSpec {
  enum class Predict { kLast, kBest };
  enum class LengthUnit { kEpochs, kSteps };
  int64_t length = 10;
  LengthUnit length_unit = LengthUnit::kEpochs;
  int64_t batch_size = 128;  // global
  Choice optimizer;          // sgd, adam, adamw
  Choice schedule;           // constant, cosine, step
  double label_smoothing = 0;
  std::optional<double> clip_norm;
  CheckpointSpec checkpoint;
  Predict predict = Predict::kLast;
  bool operator==(const TrainingSpec&) const = default;
};

// How many slots a member's gang has; min == max unless elastic. `max` is also the number of shards of a batch.
struct SlotsSpec {
  enum class Spread { kAllowed, kOneWorker };  // over the workers of one launch domain, or never
  int min = 1;
  int max = 1;
  Spread spread = Spread::kAllowed;
  bool operator==(const SlotsSpec&) const = default;
};

struct MemberSpec {
  std::string name;  // "lenet5-s0", unique within the ensemble
  Choice model;
  std::optional<std::filesystem::path> weights;  // that it begins with; nullopt: those that its seed draws
  int64_t seed = 0;
  SlotsSpec slots;
  std::optional<uint64_t> slot_memory_bytes;  // that each of its slots must have; nullopt: whatever it has
  PrepareSpec prepare;
  std::vector<Choice> augment;
  TrainingSpec training;
  bool operator==(const MemberSpec&) const = default;
};

struct EnsembleSpec {
  int version = 1;
  std::string name;
  DataSpec data;
  std::vector<MemberSpec> members;
  Choice combiner;                     // mean, vote: the one that answers
  std::optional<int> minimum_members;  // nullopt: all
  bool operator==(const EnsembleSpec&) const = default;
};

// JSON of the resolved experiment and back: FromJson(ToJson(x)) == x for every x that an experiment can describe. Its
// text is also an experiment file (JSON is YAML) that parses to the same ensemble: each member is written out with its
// own prepare, augment and training, its seed under `seed` and its whole name under `name`. Paths are taken as they
// are.
Json ToJson(const EnsembleSpec& spec);
Json ToJson(const DataSpec& data);
Json ToJson(const MemberSpec& member);
Result<EnsembleSpec> EnsembleFromJson(const Json& json);       // kInvalid, naming the key
Result<EnsembleSpec> EnsembleFromText(std::string_view text);  // of that JSON
Result<DataSpec> DataFromJson(const Json& json);
Result<MemberSpec> MemberFromJson(const Json& json);

}  // namespace tutti::spec
