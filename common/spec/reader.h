// Tree -> experiment. Collects every mistake; what it returns is whole only when there is none.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/tree.h"
#include "common/spec/value_type.h"

namespace tutti::spec {

// Turns a path as written into the one that is meant. An error says what is wrong; what is allowed.
using ResolvePath = std::function<Result<std::filesystem::path>(const std::string&)>;

std::optional<Choice> ReadChoice(ChoiceKind kind, const Node& node, const std::string& path, Problems& problems);
// A name, or a map of one name to its parameters.
std::optional<Choice> ReadAugmentation(const Node& node, const std::string& path, Problems& problems);

struct Paths {
  ResolvePath data;
  ResolvePath file;  // of one that travels with the experiment, which may be looked at
};
EnsembleSpec ReadEnsemble(const Node& root, const Paths& paths, Problems& problems);
DataSpec ReadData(const Node& node, const ResolvePath& resolve, Problems& problems);
// An entry with one seed, over no defaults but the documented ones.
std::optional<MemberSpec> ReadMember(const Node& node, const ResolvePath& file, Problems& problems);

}  // namespace tutti::spec
