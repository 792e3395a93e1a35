#include "cli/home.h"

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

}  // namespace tutti::cli
