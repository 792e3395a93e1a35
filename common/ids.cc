#include "common/ids.h"

#include <algorithm>

#include "common/whole_number.h"

namespace tutti {
namespace {

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

constexpr std::string_view kAttemptPrefix = "/attempt-";

bool IsWord(std::string_view text, size_t longest) {
  if (text.empty() || text.size() > longest) return false;
  if (text[0] == '.' || text[0] == '_' || text[0] == '-') return false;
  return std::all_of(text.begin(), text.end(), IsNameCharacter);
}

}  // namespace

bool IsValidName(std::string_view name) { return IsWord(name, kLongestName); }
bool IsValidId(std::string_view id) { return IsWord(id, kLongestId); }

Result<JobId> ParseJobId(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return Fail(ErrorCode::kInvalid, "'{}' is not ENSEMBLE/MEMBER", text);
  const std::string_view ensemble = text.substr(0, slash);
  std::string_view name = text.substr(slash + 1);
  const std::string_view bare = name.substr(name.starts_with('.') ? 1 : 0);
  if (!IsValidId(ensemble) || !IsValidName(bare)) return Fail(ErrorCode::kInvalid, "'{}' is not ENSEMBLE/MEMBER", text);
  return JobId{EnsembleId(std::string(ensemble)), std::string(name)};
}

Result<AttemptId> ParseAttemptId(std::string_view text) {
  const size_t at = text.rfind(kAttemptPrefix);
  if (at == std::string_view::npos) return Fail(ErrorCode::kInvalid, "'{}' is not ENSEMBLE/MEMBER/attempt-N", text);
  TUTTI_ASSIGN_OR_RETURN(JobId job, ParseJobId(text.substr(0, at)));
  const auto number = ParseWholeNumber<int>(text.substr(at + kAttemptPrefix.size()));
  if (number.value_or(0) < 1) return Fail(ErrorCode::kInvalid, "'{}' is not ENSEMBLE/MEMBER/attempt-N", text);
  return AttemptId{std::move(job), *number};
}

}  // namespace tutti
