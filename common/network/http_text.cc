#include "common/network/http_text.h"

#include <cctype>

#include "common/json.h"

namespace tutti::network {
namespace {

ErrorCode CodeNamed(std::string_view word) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    if (Name(static_cast<ErrorCode>(code)) == word) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

}  // namespace

std::string EncodeUrlPart(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += unreserved ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

std::string EnsembleTarget(std::string_view id) { return "/api/v1/ensembles/" + EncodeUrlPart(id); }

std::string MemberTarget(std::string_view id, std::string_view member) {
  return EnsembleTarget(id) + "/members/" + EncodeUrlPart(member);
}

Error ProblemOf(int status, std::string_view body) {
  const auto problem = ParseJson(body);
  if (problem && problem->is_object() && problem->contains("title") && (*problem)["title"].is_string()) {
    const auto code = problem->find("code");
    return Error{
        code != problem->end() && code->is_string() ? CodeNamed(code->get<std::string>()) : ErrorCode::kInternal,
        (*problem)["title"].get<std::string>(), nullptr};
  }
  return Error{ErrorCode::kInternal, fmt::format("the coordinator answered {}", status), nullptr};
}

}  // namespace tutti::network
