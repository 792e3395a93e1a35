// The names of things. Each is a type of its own, so that one cannot be passed for another.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "common/result.h"

namespace tutti {

// A string with a meaning. Tag is the kind of thing it names.
template <typename Tag>
class StringId {
 public:
  StringId() = default;
  explicit StringId(std::string text) : text_(std::move(text)) {}
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const StringId&) const = default;

 private:
  std::string text_;
};

// A number with a meaning.
template <typename Tag>
struct NumberId {
  int64_t value = 0;
  auto operator<=>(const NumberId&) const = default;
};

using EnsembleId = StringId<struct EnsembleTag>;      // "fashion-mnist-3"
using WorkerId = StringId<struct WorkerTag>;          // "n1", "n1/2" for a second worker of a host
using Generation = NumberId<struct GenerationTag>;    // a start of the coordinator, from 1
using Incarnation = NumberId<struct IncarnationTag>;  // a start of a worker; higher is newer

// A piece of work for a trainer within an ensemble. A training job is named like its member ("lenet5-s0"); the others
// have names that no member can have, since they begin with a dot (".inspect").
struct JobId {
  EnsembleId ensemble;
  std::string name;
  auto operator<=>(const JobId&) const = default;
  std::string str() const { return ensemble.str() + "/" + name; }
};

// One try at a job, numbered from 1.
struct AttemptId {
  JobId job;
  int number = 0;
  auto operator<=>(const AttemptId&) const = default;
  std::string str() const { return fmt::format("{}/attempt-{}", job.str(), number); }
};

// The inverses of str(). Errors: kInvalid.
Result<JobId> ParseJobId(std::string_view text);
Result<AttemptId> ParseAttemptId(std::string_view text);

// One slot of a worker, counted from 0.
struct SlotId {
  WorkerId worker;
  int index = 0;
  auto operator<=>(const SlotId&) const = default;
  std::string str() const { return fmt::format("{}:{}", worker.str(), index); }
};

// Of a name, in characters. Ids are made of names ("NAME-3") and must stay below what an id may have.
inline constexpr size_t kLongestName = 80;
inline constexpr size_t kLongestId = 100;

// True for names that an experiment and a member may have: letters, digits, '.', '_' and '-', first a letter or digit,
// at most kLongestName characters. They become folder names and parts of ids.
bool IsValidName(std::string_view name);
// True for what an ensemble's id may be: as a name, and longer by its number.
bool IsValidId(std::string_view id);

}  // namespace tutti

template <typename Tag>
struct std::hash<tutti::StringId<Tag>> {
  size_t operator()(const tutti::StringId<Tag>& id) const { return std::hash<std::string>()(id.str()); }
};

template <typename Tag>
struct fmt::formatter<tutti::StringId<Tag>> : fmt::formatter<std::string_view> {
  auto format(const tutti::StringId<Tag>& id, format_context& context) const {
    return fmt::formatter<std::string_view>::format(id.str(), context);
  }
};
