#include "common/spec/paths.h"

#include <algorithm>
#include <cstdlib>

#include "common/spec/yaml.h"

namespace tutti::spec {
namespace {

bool IsVariableName(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), fits);
}

Result<std::string> ValueOf(const std::string& name, const Environment& environment) {
  const std::optional<std::string> value = environment(name);
  if (!value || value->empty()) {
    return Fail(ErrorCode::kInvalid,
                "contains ${{{0}}}, which is not set; allowed: variables of the environment, set {0} "
                "or write the path out",
                name);
  }
  const bool plain = !FindInvalidUtf8(*value) && value->find("${") == std::string::npos;
  if (plain) return *value;
  return Fail(ErrorCode::kInvalid, "contains ${{{}}}, whose value is no plain path; allowed: UTF-8 without '${{'",
              name);
}

Result<std::string> ReplaceVariables(const std::string& text, const Environment& environment) {
  std::string replaced;
  size_t position = 0;
  while (true) {
    const size_t begin = text.find("${", position);
    replaced += text.substr(position, begin - position);
    if (begin == std::string::npos) return replaced;
    const size_t end = text.find('}', begin);
    const std::string name = end == std::string::npos ? "" : text.substr(begin + 2, end - begin - 2);
    if (!IsVariableName(name)) {
      return Fail(ErrorCode::kInvalid,
                  "has a '${{' that begins no variable; allowed: ${{NAME}} with letters, digits and "
                  "'_'");
    }
    TUTTI_ASSIGN_OR_RETURN(const std::string value, ValueOf(name, environment));
    replaced += value;
    position = end + 1;
  }
}

Result<std::string> ReplaceHome(const std::string& text, const Environment& environment) {
  if (!text.starts_with('~')) return text;
  if (text.size() > 1 && text[1] != '/') {
    return Fail(ErrorCode::kInvalid, "begins with '{}'; allowed: '~' for your own home, or the path written out",
                text.substr(0, text.find('/')));
  }
  TUTTI_ASSIGN_OR_RETURN(const std::string home, ValueOf("HOME", environment));
  return home + text.substr(1);
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Result<std::filesystem::path> ExpandPath(const std::string& text, const std::filesystem::path& base,
                                         const Environment& environment) {
  TUTTI_ASSIGN_OR_RETURN(const std::string at_home, ReplaceHome(text, environment));
  TUTTI_ASSIGN_OR_RETURN(const std::string replaced, ReplaceVariables(at_home, environment));
  std::filesystem::path path = (base / replaced).lexically_normal();
  if (FindInvalidUtf8(path.string()) || path.string().find("${") != std::string::npos) {
    return Fail(ErrorCode::kInvalid, "lies in a folder whose name is no plain text; allowed: UTF-8 without '${{'");
  }
  // "data/" and "data" are the same place and must be the same experiment.
  return path.has_filename() || path == path.root_path() ? path : path.parent_path();
}

}  // namespace tutti::spec
