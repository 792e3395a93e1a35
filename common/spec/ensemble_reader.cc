#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "common/ids.h"
#include "common/spec/descriptor.h"
#include "common/spec/keys.h"
#include "common/spec/memory_size.h"
#include "common/spec/merge.h"
#include "common/spec/nearest.h"
#include "common/spec/reader.h"

namespace tutti::spec {
namespace {

const Node& NothingWritten() {
  static const Node kMap = MapAt({});
  return kMap;
}

// One map of the experiment, whose keys are those of `section` in the table. An empty one (`training:`) is a map
// without keys.
class Section {
 public:
  // Adds what is wrong with the map itself: no map, unknown keys, two keys of which one excludes the other.
  Section(const Node& node, std::string path, Problems& problems)
      : node_(node.IsMap() ? node : NothingWritten()),
        position_(node.position),
        path_(std::move(path)),
        problems_(problems) {
    if (!node.IsMap() && !node.IsNull()) RefuseValue(node, path_.empty() ? "the file" : path_, "a map", problems_);
    RefuseUnknownKeys();
    RefuseExcludedKeys();
  }

  const Node* Get(std::string_view key) const { return node_.Get(key); }
  Position position() const { return position_; }
  Problems& problems() const { return problems_; }
  std::string PathOf(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

  // The value of a key whose type ReadValue knows, or its default.
  Json Value(std::string_view key) const {
    const Key& known = KeyAt(PathOf(key));
    const Node* node = Get(key);
    if (node == nullptr) return known.default_value;
    return ReadValue(known.type, *node, known.path, problems_).value_or(known.default_value);
  }

  Choice ChoiceOf(ChoiceKind kind, std::string_view key) const {
    const Node* node = Get(key);
    if (node == nullptr) return DefaultChoice(kind, DefaultNameOf(kind));
    return ReadChoice(kind, *node, PathOf(key), problems_).value_or(Choice{});
  }

  // Of a key that must be there; null, and a mistake, when it is not.
  const Node* Required(std::string_view key) const {
    const Node* node = Get(key);
    if (node == nullptr) problems_.Add(position_, fmt::format("{} is missing; allowed: {}", PathOf(key), Allowed(key)));
    return node;
  }

  void Refuse(std::string_view key) const { RefuseValue(*Get(key), PathOf(key), Allowed(key), problems_); }

  std::string Allowed(std::string_view key) const {
    const ValueType& type = KeyAt(PathOf(key)).type;
    const auto* choice = std::get_if<ChoiceType>(&type);
    return choice == nullptr ? DescribeType(type) : fmt::format("{}", fmt::join(NamesOf(choice->kind), ", "));
  }

 private:
  void RefuseUnknownKeys() {
    const std::vector<std::string> known = KeysIn(path_);
    for (const Entry& entry : node_.entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      const std::string where = path_.empty() ? "" : fmt::format(" in {}", path_);
      problems_.Add(entry.key_position, fmt::format("unknown key '{}'{}{}; allowed: {}", entry.key, where,
                                                    Suggestion(entry.key, known), fmt::join(known, ", ")));
    }
  }

  void RefuseExcludedKeys() {
    for (const ExclusiveKeys& pair : ExclusivePairs()) {
      if (pair.section != path_ || node_.Find(pair.first) == nullptr || node_.Find(pair.second) == nullptr) continue;
      problems_.Add(std::max(node_.Find(pair.first)->key_position, node_.Find(pair.second)->key_position),
                    fmt::format("both {} and {} in {}; allowed: one of them", pair.first, pair.second, path_));
    }
  }

  const Node& node_;
  Position position_;
  std::string path_;
  Problems& problems_;
};

bool Is(const Node& node, std::string_view word) { return node.IsScalar() && node.scalar == word; }

// ---- data ----

// A count, or a fraction in (0, 1).
std::optional<PartSize> AsPart(const Node& node, int64_t least_count) {
  if (const std::optional<int64_t> count = AsInteger(node)) {
    return *count >= least_count ? std::optional<PartSize>(*count) : std::nullopt;
  }
  const std::optional<double> fraction = AsNumber(node);
  return fraction && *fraction > 0 && *fraction < 1 ? std::optional<PartSize>(*fraction) : std::nullopt;
}

// "held/out", "~", "test.csv"; no number that went wrong: ".nan", "1.5".
bool LooksLikePath(const Node& node) {
  if (!node.IsScalar() || node.scalar.empty()) return false;
  const bool letter = std::isalpha(static_cast<unsigned char>(node.scalar.front())) != 0;
  return node.scalar.find_first_of(letter ? "/~$." : "/~$") != std::string::npos;
}

// A path where a count or a fraction stands, which the design foresees for other sources.
void RefusePart(const Section& data, std::string_view key) {
  const Node& node = *data.Get(key);
  if (!LooksLikePath(node)) return data.Refuse(key);
  data.problems().Add(node.position, fmt::format("{} is a path ('{}'), which source idx does not take; allowed: {}",
                                                 data.PathOf(key), node.scalar, data.Allowed(key)));
}

PartSize ReadValidation(const Section& data) {
  constexpr double kDefault = 0.1;
  const Node* node = data.Get("validation");
  if (node == nullptr) return kDefault;
  const std::optional<PartSize> part = AsPart(*node, 0);
  if (!part) RefusePart(data, "validation");
  return part.value_or(kDefault);
}

std::optional<PartSize> ReadCalibration(const Section& data) {
  const Node* node = data.Get("calibration");
  if (node == nullptr || Is(*node, "none")) return std::nullopt;
  const std::optional<PartSize> part = AsPart(*node, 1);
  if (!part) RefusePart(data, "calibration");
  return part;
}

decltype(DataSpec::test) ReadTest(const Section& data) {
  const Node* node = data.Get("test");
  if (node == nullptr || Is(*node, "source")) return DataSpec::SourceTest{};
  if (Is(*node, "none")) return DataSpec::NoTest{};
  const std::optional<int64_t> count = AsInteger(*node);
  if (count && *count >= 1) return *count;
  RefusePart(data, "test");
  return DataSpec::SourceTest{};
}

std::string ReadSource(const Section& data) {
  const Node* node = data.Required("source");
  if (node == nullptr) return "";
  return ReadChoice(ChoiceKind::kSource, *node, "data.source", data.problems()).value_or(Choice{}).name;
}

std::filesystem::path ReadPath(const Section& data, const ResolvePath& resolve) {
  const Node* node = data.Required("path");
  if (node == nullptr) return {};
  if (!node->IsScalar() || node->scalar.empty()) {
    data.Refuse("path");
    return {};
  }
  const Result<std::filesystem::path> path = resolve(node->scalar);
  if (!path) data.problems().Add(node->position, fmt::format("data.path {}", path.error().message));
  return path.value_or(std::filesystem::path());
}

// ---- prepare, augment, training ----

PrepareSpec ReadPrepare(const Node& node, Problems& problems) {
  const Section section(node, "prepare", problems);
  PrepareSpec prepare;
  prepare.normalize =
      section.Value("normalize") == "none" ? PrepareSpec::Normalize::kNone : PrepareSpec::Normalize::kAuto;
  const Node* resize = section.Get("resize");
  if (resize == nullptr || Is(*resize, "none")) return prepare;
  const std::optional<int64_t> side = AsInteger(*resize);
  if (side && *side >= 1 && *side <= kLargestImage) {
    prepare.resize = *side;
  } else {
    section.Refuse("resize");
  }
  return prepare;
}

std::vector<Choice> ReadAugment(const Node& node, Problems& problems) {
  if (node.IsNull()) return {};
  if (!node.IsList()) {
    RefuseValue(node, "augment", "a list of augmentations, as in [{crop: {padding: 2}}, flip]", problems);
    return {};
  }
  std::vector<Choice> augment;
  for (size_t i = 0; i < node.items.size(); ++i) {
    const auto choice = ReadAugmentation(node.items[i], fmt::format("augment[{}]", i), problems);
    if (choice) augment.push_back(*choice);
  }
  return augment;
}

struct Interval {
  double every = 0;
  CheckpointSpec::Unit unit = CheckpointSpec::Unit::kEpochs;
};

std::optional<CheckpointSpec::Unit> ParseUnit(std::string_view word) {
  if (word == "epoch" || word == "epochs") return CheckpointSpec::Unit::kEpochs;
  if (word == "step" || word == "steps") return CheckpointSpec::Unit::kSteps;
  if (word == "minute" || word == "minutes") return CheckpointSpec::Unit::kMinutes;
  return std::nullopt;
}

// "500 steps"
std::optional<Interval> ParseInterval(const Node& node) {
  if (!node.IsScalar()) return std::nullopt;
  const std::string_view text = node.scalar;
  const size_t number_end = std::min(text.find(' '), text.size());
  const size_t unit_begin = std::min(text.find_first_not_of(' ', number_end), text.size());
  Node number = node;
  number.scalar = std::string(text.substr(0, number_end));
  number.style = Node::Style::kPlain;
  const std::optional<double> every = AsNumber(number);
  const std::optional<CheckpointSpec::Unit> unit = ParseUnit(text.substr(unit_begin));
  if (!every || *every <= 0 || !unit) return std::nullopt;
  const bool countable = *unit != CheckpointSpec::Unit::kMinutes;
  const std::optional<int64_t> count = AsInteger(number);
  if (countable && !count) return std::nullopt;
  return Interval{*every, *unit};
}

CheckpointSpec ReadCheckpoint(const Node& node, Problems& problems) {
  const Section section(node, "training.checkpoint", problems);
  CheckpointSpec checkpoint;
  checkpoint.keep = section.Value("keep").get<int>();
  if (const Node* every = section.Get("every")) {
    const std::optional<Interval> interval = ParseInterval(*every);
    if (!interval) section.Refuse("every");
    checkpoint.every = interval ? interval->every : checkpoint.every;
    checkpoint.unit = interval ? interval->unit : checkpoint.unit;
  }
  return checkpoint;
}

std::optional<double> ReadClipNorm(const Section& training) {
  const Node* node = training.Get("clip_norm");
  if (node == nullptr || Is(*node, "none")) return std::nullopt;
  const std::optional<double> norm = AsNumber(*node);
  if (norm && *norm > 0) return norm;
  training.Refuse("clip_norm");
  return std::nullopt;
}

TrainingSpec ReadTraining(const Node& node, Problems& problems) {
  const Section section(node, "training", problems);
  TrainingSpec training;
  const bool steps = section.Get("steps") != nullptr;
  const Json length = section.Value(steps ? "steps" : "epochs");
  training.length_unit = steps ? TrainingSpec::LengthUnit::kSteps : TrainingSpec::LengthUnit::kEpochs;
  training.length = length.is_null() ? training.length : length.get<int64_t>();
  training.batch_size = section.Value("batch_size").get<int64_t>();
  training.optimizer = section.ChoiceOf(ChoiceKind::kOptimizer, "optimizer");
  training.schedule = section.ChoiceOf(ChoiceKind::kSchedule, "schedule");
  training.label_smoothing = section.Value("label_smoothing").get<double>();
  training.clip_norm = ReadClipNorm(section);
  const Node* checkpoint = section.Get("checkpoint");
  if (checkpoint != nullptr) training.checkpoint = ReadCheckpoint(*checkpoint, problems);
  training.predict = section.Value("predict") == "best" ? TrainingSpec::Predict::kBest : TrainingSpec::Predict::kLast;
  return training;
}

std::optional<double> NumberIn(const Choice& choice, const char* parameter) {
  const auto found = choice.parameters.find(parameter);
  if (found == choice.parameters.end()) return std::nullopt;
  return found->get<double>();
}

Position PositionOf(const Node& map, std::string_view key) {
  const Node* node = map.Get(key);
  return node == nullptr ? map.position : node->position;
}

// What is right key by key, and wrong together. Of a whole training only: defaults need not fit on their own.
void CheckTraining(const TrainingSpec& training, const Node& node, Problems& problems) {
  const std::optional<double> lr = NumberIn(training.optimizer, "lr");
  const std::optional<double> min_lr = NumberIn(training.schedule, "min_lr");
  if (lr && min_lr && *min_lr > *lr) {
    problems.Add(PositionOf(node, "schedule"),
                 fmt::format("training.schedule.min_lr is {}; allowed: at most the optimizer's lr, {}", *min_lr, *lr));
  }
  const std::optional<double> warmup = NumberIn(training.schedule, "warmup_epochs");
  const bool in_epochs = training.length_unit == TrainingSpec::LengthUnit::kEpochs;
  if (warmup && in_epochs && *warmup >= static_cast<double>(training.length)) {
    problems.Add(PositionOf(node, "schedule"),
                 fmt::format("training.schedule.warmup_epochs is {}; allowed: fewer than the {} epochs of the training",
                             *warmup, training.length));
  }
}

// ---- members ----

// The defaults that stand at the top level, as written.
struct Defaults {
  Node prepare = MapAt({});
  Node augment;
  Node training = MapAt({});
  std::optional<uint64_t> slot_memory_bytes;
};

std::string ReadName(const Section& section, std::string_view key) {
  const Node* node = section.Get(key);
  if (node == nullptr) return "";
  if (node->IsScalar() && IsValidName(node->scalar)) return node->scalar;
  section.Refuse(key);
  return "";
}

struct Seed {
  int64_t value = 0;
  Position position;
};

std::vector<Seed> ReadSeedList(const Section& section, const Node& list) {
  std::vector<Seed> seeds;
  std::set<int64_t> seen;
  if (list.items.empty() || list.items.size() > kMostMembers) section.Refuse("seeds");
  for (size_t i = 0; i < list.items.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", section.PathOf("seeds"), i);
    const auto value = ReadValue(IntegerType{0}, list.items[i], path, section.problems());
    if (!value) continue;
    const auto seed = value->get<int64_t>();
    if (seen.insert(seed).second) {
      seeds.push_back({seed, list.items[i].position});
    } else {
      section.problems().Add(list.items[i].position,
                             fmt::format("seed {} is there twice; allowed: different seeds", seed));
    }
  }
  return seeds;
}

std::vector<Seed> ReadSeeds(const Section& section) {
  if (const Node* seed = section.Get("seed")) {
    const auto value = ReadValue(IntegerType{0}, *seed, section.PathOf("seed"), section.problems());
    return {{value ? value->get<int64_t>() : 0, seed->position}};
  }
  const Node* seeds = section.Get("seeds");
  if (seeds == nullptr) return {{0, section.position()}};
  if (seeds->IsList()) return ReadSeedList(section, *seeds);
  const std::optional<int64_t> count = AsInteger(*seeds);
  if (!count || *count < 1 || *count > kMostMembers) {
    section.Refuse("seeds");
    return {};
  }
  std::vector<Seed> counted;
  for (int64_t seed = 0; seed < *count; ++seed) counted.push_back({seed, section.position()});
  return counted;
}

constexpr IntegerType kSlotCount{1, kMostSlots};

std::optional<int> ReadSlotBound(const Section& section, std::string_view key) {
  const Node& slots = *section.Get("slots");
  const Node* node = slots.Get(key);
  const std::string path = fmt::format("{}.{}", section.PathOf("slots"), key);
  if (node == nullptr) {
    section.problems().Add(slots.position, fmt::format("{} is missing; allowed: {}", path, DescribeType(kSlotCount)));
    return std::nullopt;
  }
  const auto count = ReadValue(kSlotCount, *node, path, section.problems());
  return count ? std::optional<int>(count->get<int>()) : std::nullopt;
}

std::optional<SlotsSpec::Spread> ReadSpread(const Section& section) {
  const Node* node = section.Get("slots")->Get("spread");
  if (node == nullptr) return SlotsSpec::Spread::kAllowed;
  const auto allowed = ReadValue(SwitchType{}, *node, section.PathOf("slots") + ".spread", section.problems());
  if (!allowed) return std::nullopt;
  return allowed->get<bool>() ? SlotsSpec::Spread::kAllowed : SlotsSpec::Spread::kOneWorker;
}

// {min: 1, max: 4, spread: false}
SlotsSpec ReadElasticSlots(const Section& section) {
  const Node& node = *section.Get("slots");
  const std::array<std::string, 3> known = {"min", "max", "spread"};
  for (const Entry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    section.problems().Add(entry.key_position,
                           fmt::format("unknown key '{}' in members[].slots{}; allowed: min, max, spread", entry.key,
                                       Suggestion(entry.key, known)));
  }
  const std::optional<int> min = ReadSlotBound(section, "min");
  const std::optional<int> max = ReadSlotBound(section, "max");
  const std::optional<SlotsSpec::Spread> spread = ReadSpread(section);
  if (!min || !max || !spread) return {};
  if (*min <= *max) return {*min, *max, *spread};
  section.problems().Add(node.position,
                         fmt::format("members[].slots has min {} above max {}; allowed: min at most max", *min, *max));
  return {};
}

SlotsSpec ReadSlots(const Section& section) {
  const Node* node = section.Get("slots");
  if (node == nullptr) return {};
  if (node->IsMap()) return ReadElasticSlots(section);
  const std::optional<int64_t> count = AsInteger(*node);
  if (count && *count >= kSlotCount.minimum && *count <= kSlotCount.maximum) {
    return {static_cast<int>(*count), static_cast<int>(*count)};
  }
  section.Refuse("slots");
  return {};
}

// Of the experiment, or of a member, which may differ.
std::optional<uint64_t> ReadSlotMemory(const Section& section, std::optional<uint64_t> otherwise) {
  const Node* node = section.Get("slot_memory");
  if (node == nullptr) return otherwise;
  if (Is(*node, "none")) return std::nullopt;
  const std::optional<uint64_t> bytes = node->IsScalar() ? ParseMemory(node->scalar) : std::nullopt;
  if (!bytes) section.Refuse("slot_memory");
  return bytes;
}

Node Overlaid(const Section& entry, std::string_view key, const Node& base) {
  const Node* own = entry.Get(key);
  return own == nullptr ? base : Merge(key, base, *own);
}

// What is wrong in an entry's own keys shows only before they are merged: two that exclude each other.
void CheckOwnTraining(const Section& entry) {
  if (const Node* own = entry.Get("training")) ReadTraining(*own, entry.problems());
}

// What one entry of the list stands for, as far as its seeds have it in common.
struct MemberEntry {
  MemberSpec common;
  std::string prefix;           // of the members' names
  bool prefix_is_name = false;  // with `seed` and `name`
  std::vector<Seed> seeds;
};

// Beside the parameters of its model.
std::optional<std::filesystem::path> ReadWeights(const Node& model, const ResolvePath& resolve, Problems& problems) {
  const Node* node = model.Get("weights");
  if (node == nullptr) return std::nullopt;
  const Key& key = KeyAt("members[].model.weights");
  if (!node->IsScalar() || node->scalar.empty()) {
    RefuseValue(*node, key.path, DescribeType(key.type), problems);
    return std::nullopt;
  }
  const Result<std::filesystem::path> path = resolve(node->scalar);
  if (!path) problems.Add(node->position, fmt::format("{} {}", key.path, path.error().message));
  return path.value_or(std::filesystem::path());
}

MemberEntry ReadEntry(const Node& node, const Defaults& defaults, const ResolvePath& file, Problems& problems) {
  const Section section(node, "members[]", problems);
  MemberEntry entry;
  if (const Node* model = section.Required("model")) {
    entry.common.model = ReadChoice(ChoiceKind::kModel, *model, "members[].model", problems).value_or(Choice{});
    entry.common.weights = ReadWeights(*model, file, problems);
  }
  const std::string name = ReadName(section, "name");
  entry.prefix = name.empty() ? entry.common.model.name : name;
  entry.prefix_is_name = section.Get("seed") != nullptr && !name.empty();
  entry.seeds = ReadSeeds(section);
  entry.common.slots = ReadSlots(section);
  entry.common.slot_memory_bytes = ReadSlotMemory(section, defaults.slot_memory_bytes);
  entry.common.prepare = ReadPrepare(Overlaid(section, "prepare", defaults.prepare), problems);
  entry.common.augment = ReadAugment(Overlaid(section, "augment", defaults.augment), problems);
  CheckOwnTraining(section);
  const Node training = Overlaid(section, "training", defaults.training);
  entry.common.training = ReadTraining(training, problems);
  CheckTraining(entry.common.training, training, problems);
  return entry;
}

std::string NameOfMember(const MemberEntry& entry, int64_t seed) {
  return entry.prefix_is_name ? entry.prefix : fmt::format("{}-s{}", entry.prefix, seed);
}

// Adds an entry's members, once each: a name that is taken is refused once for each entry.
class Members {
 public:
  explicit Members(Problems& problems) : problems_(problems) {}

  void Add(const MemberEntry& entry, Position position) {
    if (entry.prefix.empty()) return;  // refused already
    bool refused = false;
    for (const Seed& seed : entry.seeds) {
      const std::string name = NameOfMember(entry, seed.value);
      const auto [taken, is_new] = lines_.emplace(name, position.line);
      if (is_new && IsValidName(name)) {
        AddOne(entry, seed.value, name);
      } else if (!refused) {
        refused = true;
        is_new ? RefuseName(name, position) : RefuseDuplicate(name, taken->second, position);
      }
    }
  }

  std::vector<MemberSpec> Take() { return std::move(members_); }

 private:
  void AddOne(const MemberEntry& entry, int64_t seed, const std::string& name) {
    MemberSpec member = entry.common;
    member.name = name;
    member.seed = seed;
    members_.push_back(std::move(member));
  }
  void RefuseDuplicate(const std::string& name, int first_line, Position position) {
    const std::string where = first_line > 0 ? fmt::format(" (line {})", first_line) : "";
    problems_.Add(position, fmt::format("member '{}' is there already{}; allowed: other seeds, or a `name` of its own "
                                        "for this entry",
                                        name, where));
  }
  void RefuseName(const std::string& name, Position position) {
    problems_.Add(position, fmt::format("'{}' is too long for a member's name; allowed: at most {} characters", name,
                                        kLongestName));
  }

  Problems& problems_;
  std::map<std::string, int> lines_;
  std::vector<MemberSpec> members_;
};

std::vector<MemberSpec> ReadMembers(const Node& node, const Defaults& defaults, const ResolvePath& file,
                                    Problems& problems) {
  if (!node.IsList() || node.items.empty()) {
    const std::string found = node.IsList() ? "empty" : DescribeFound(node);
    problems.Add(node.position, fmt::format("members is {}; allowed: a list with at least one member, as in [{{model: "
                                            "lenet5, seeds: 5}}]",
                                            found));
    return {};
  }
  Members members(problems);
  size_t count = 0;
  for (const Node& item : node.items) {
    const MemberEntry entry = ReadEntry(item, defaults, file, problems);
    count += entry.seeds.size();
    if (count > static_cast<size_t>(kMostMembers)) {
      problems.Add(item.position, fmt::format("more than {0} members; allowed: at most {0}", kMostMembers));
      break;
    }
    members.Add(entry, item.position);
  }
  return members.Take();
}

bool HasValidation(const DataSpec& data) { return data.validation != PartSize(int64_t{0}); }

// Members answer together on validation and on test; on calibration nothing is measured.
void CheckIsAnswered(const DataSpec& data, const Node& node, Problems& problems) {
  if (HasValidation(data) || !std::holds_alternative<DataSpec::NoTest>(data.test)) return;
  problems.Add(std::max(PositionOf(node, "validation"), PositionOf(node, "test")),
               "data.validation is 0 and data.test is none, so that the members would have nothing to answer together; "
               "allowed: samples in one of them at least");
}

void CheckAgainstData(const EnsembleSpec& spec, const Node& members, Problems& problems) {
  const auto wants_best = [](const MemberSpec& member) {
    return member.training.predict == TrainingSpec::Predict::kBest;
  };
  if (HasValidation(spec.data) || !std::any_of(spec.members.begin(), spec.members.end(), wants_best)) return;
  problems.Add(members.position,
               "training.predict is 'best' but data.validation is 0; allowed: 'last', or samples held "
               "back for validation");
}

// ---- ensemble ----

std::optional<int> ReadMinimumMembers(const Section& ensemble, size_t members) {
  const Node* node = ensemble.Get("minimum_members");
  if (node == nullptr || Is(*node, "all")) return std::nullopt;
  const std::optional<int64_t> count = AsInteger(*node);
  if (count && *count >= 1 && *count <= static_cast<int64_t>(members)) return static_cast<int>(*count);
  const bool too_many = count && *count > static_cast<int64_t>(members);
  if (too_many && !ensemble.problems().empty()) return std::nullopt;  // members are missing for another reason
  if (too_many) {
    ensemble.problems().Add(node->position,
                            fmt::format("ensemble.minimum_members is {}; allowed: all, or a count up to {}, the number "
                                        "of members",
                                        *count, members));
  } else {
    ensemble.Refuse("minimum_members");
  }
  return std::nullopt;
}

void CheckVersion(const Section& root) {
  const Node* node = root.Get("version");
  if (node == nullptr) {
    root.problems().Add(root.position(), "version is missing; allowed: 1");
  } else if (AsInteger(*node) != 1) {
    RefuseValue(*node, "version", "1, the only one that this program knows", root.problems());
  }
}

std::string ReadEnsembleName(const Section& root) {
  return root.Required("name") == nullptr ? std::string() : ReadName(root, "name");
}

const Node& OrNothing(const Node* node) { return node == nullptr ? NothingWritten() : *node; }

// Defaults are read on their own too, so that a mistake shows that every member overrides.
Defaults ReadDefaults(const Section& root) {
  Defaults defaults;
  if (const Node* prepare = root.Get("prepare")) defaults.prepare = *prepare;
  if (const Node* augment = root.Get("augment")) defaults.augment = *augment;
  if (const Node* training = root.Get("training")) defaults.training = *training;
  defaults.slot_memory_bytes = ReadSlotMemory(root, std::nullopt);
  ReadPrepare(defaults.prepare, root.problems());
  ReadAugment(defaults.augment, root.problems());
  ReadTraining(defaults.training, root.problems());
  return defaults;
}

}  // namespace

DataSpec ReadData(const Node& node, const ResolvePath& resolve, Problems& problems) {
  const Section section(node, "data", problems);
  DataSpec data;
  data.source = ReadSource(section);
  data.path = ReadPath(section, resolve);
  data.validation = ReadValidation(section);
  data.split_seed = section.Value("split_seed").get<int64_t>();
  data.test = ReadTest(section);
  data.calibration = ReadCalibration(section);
  return data;
}

std::optional<MemberSpec> ReadMember(const Node& node, const ResolvePath& file, Problems& problems) {
  Members members(problems);
  members.Add(ReadEntry(node, Defaults{}, file, problems), node.position);
  std::vector<MemberSpec> read = members.Take();
  if (read.size() != 1 || !problems.empty()) return std::nullopt;
  return std::move(read.front());
}

EnsembleSpec ReadEnsemble(const Node& node, const Paths& paths, Problems& problems) {
  const Section root(node, "", problems);
  if (!node.IsMap() && !node.IsNull()) return {};
  EnsembleSpec spec;
  CheckVersion(root);
  spec.name = ReadEnsembleName(root);
  if (const Node* data = root.Required("data")) {
    spec.data = ReadData(*data, paths.data, problems);
    CheckIsAnswered(spec.data, *data, problems);
  }
  const Defaults defaults = ReadDefaults(root);
  if (const Node* members = root.Required("members")) {
    spec.members = ReadMembers(*members, defaults, paths.file, problems);
    CheckAgainstData(spec, *members, problems);
  }
  const Section ensemble(OrNothing(root.Get("ensemble")), "ensemble", problems);
  spec.combiner = ensemble.ChoiceOf(ChoiceKind::kCombiner, "combiner");
  spec.minimum_members = ReadMinimumMembers(ensemble, spec.members.size());
  return spec;
}

}  // namespace tutti::spec
