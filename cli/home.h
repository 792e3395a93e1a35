// Where ensembles live.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/result.h"

namespace tutti::cli {

// `--home`, else TUTTI_HOME, else runs/: absolute.
std::filesystem::path FindHome(const std::optional<std::string>& option, const char* environment);

// The same error; where the disk of `home` is full, with what makes room there. Removing an ensemble needs a little
// room itself, for a new generation of the catalog: what may be deleted by hand comes first.
Error WithWaysToMakeRoom(Error error, const std::filesystem::path& home);

}  // namespace tutti::cli
