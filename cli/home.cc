#include "cli/home.h"

#include <utility>

namespace tutti::cli {

std::filesystem::path FindHome(const std::optional<std::string>& option, const char* environment) {
  std::filesystem::path home = "runs";
  if (option && !option->empty())
    home = *option;
  else if (environment != nullptr && *environment != '\0')
    home = environment;
  home = std::filesystem::absolute(home).lexically_normal();
  return home.has_filename() ? home : home.parent_path();  // without a slash at its end
}

Error WithWaysToMakeRoom(Error error, const std::filesystem::path& home) {
  if (error.code != ErrorCode::kNoSpace) return error;
  std::string text = fmt::format(
      "{0}\nThere is no space left for {1}. Delete {1}/cache (prepared data, made anew when it is needed) and "
      "{1}/.removing-* (left by removals): that needs no space.\nThen `tutti du` tells who takes how much, and `tutti "
      "rm` removes ensembles.",
      error.Text(), home.string());
  return {error.code, std::move(text), nullptr};
}

}  // namespace tutti::cli
