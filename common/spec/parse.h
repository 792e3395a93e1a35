// Experiment file -> EnsembleSpec, or every mistake in it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "common/result.h"
#include "common/spec/diagnostic.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/paths.h"

namespace tutti::spec {

// What is wrong with a file that travels with the experiment; what is allowed. Nothing where it may go.
using FileCheck = std::function<Result<void>(const std::filesystem::path&)>;

struct ParseInput {
  std::string_view text;
  std::string file_name;               // for messages
  std::filesystem::path base_folder;   // absolute; relative paths in the file start there
  std::vector<std::string> overrides;  // "training.epochs=3", of `--set`; later ones win
  Environment environment = ProcessEnvironment();
  FileCheck check_file = {};  // none: such files are not looked at
};

// At least one diagnostic, in the order of the file.
using ParseResult = tl::expected<EnsembleSpec, std::vector<Diagnostic>>;

// Never throws, whatever the text holds. Nothing but `check_file` looks at the disk: whether data is there is for the
// workers.
ParseResult Parse(const ParseInput& input);

struct ExperimentFile {
  EnsembleSpec spec;
  std::string text;
};

// The same for a file, which may not be readable; it is read once, so that a pipe may stand for it (input_file.h).
// What travels with it must be there. Relative paths in it start at its folder; what stands for a file in /dev or /proc
// (`<(…)`, /dev/stdin) has none, and they start at the current folder.
tl::expected<ExperimentFile, std::vector<Diagnostic>> ParseFile(const std::filesystem::path& file,
                                                                const std::vector<std::string>& overrides,
                                                                const Environment& environment = ProcessEnvironment());

}  // namespace tutti::spec
