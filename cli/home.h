// Where ensembles live.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace tutti::cli {

// `--home`, else TUTTI_HOME, else runs/: absolute.
std::filesystem::path FindHome(const std::optional<std::string>& option, const char* environment);

}  // namespace tutti::cli
