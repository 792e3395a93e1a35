#include "cli/render/findings.h"

#include <fmt/format.h>

#include <algorithm>

namespace tutti::cli {
namespace {

Ink InkOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return Ink::kPlain;
    case Verdict::kWarning:
      return Ink::kYellow;
    case Verdict::kProblem:
      return Ink::kRed;
  }
  return Ink::kPlain;
}

int64_t Count(const std::vector<Finding>& findings, Verdict verdict) {
  return std::ranges::count(findings, verdict, &Finding::verdict);
}

std::string Counted(int64_t count, std::string_view word) {
  return count == 1 ? fmt::format("1 {}", word)
                    : fmt::format("{} {}s", count == 0 ? "no" : std::to_string(count), word);
}

}  // namespace

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kProblem:
      return "problem";
  }
  return "";
}

Json ToJson(const Finding& finding) {
  return {
      {"check", finding.check}, {"verdict", Name(finding.verdict)}, {"found", finding.found}, {"cure", finding.cure}};
}

Result<Finding> FindingFromJson(const Json& json) try {
  Finding finding{json.at("check"), Verdict::kOk, json.at("found"), json.at("cure")};
  const std::string verdict = json.at("verdict");
  for (const Verdict one : {Verdict::kOk, Verdict::kWarning, Verdict::kProblem}) {
    if (verdict != Name(one)) continue;
    finding.verdict = one;
    return finding;
  }
  return Fail(ErrorCode::kInvalid, "'{}' is no verdict", verdict);
} catch (const Json::exception& error) {
  return Fail(ErrorCode::kInvalid, "this is no finding: {}", error.what());
}

std::string RenderFindings(const std::vector<Finding>& findings, const Page& page) {
  using enum Table::Align;
  Table table({kLeft, kLeft, kLeft});
  std::string cures;
  for (const Finding& finding : findings) {
    table.Add({finding.check, std::string(Name(finding.verdict)), OneLine(finding.found)}, InkOf(finding.verdict));
    if (!finding.cure.empty()) cures += fmt::format("  {}: {}\n", finding.check, OneLine(finding.cure));
  }
  const std::string to_do = cures.empty() ? "" : fmt::format("\nWhat to do:\n{}", cures);
  return fmt::format("{}{}\n{}, {}.\n", table.Render(page), to_do,
                     Counted(Count(findings, Verdict::kProblem), "problem"),
                     Counted(Count(findings, Verdict::kWarning), "warning"));
}

Json FindingsDocument(const std::vector<Finding>& findings) {
  Json checks = Json::array();
  for (const Finding& finding : findings) checks.push_back(ToJson(finding));
  return {{"problems", Count(findings, Verdict::kProblem)},
          {"warnings", Count(findings, Verdict::kWarning)},
          {"checks", std::move(checks)}};
}

}  // namespace tutti::cli
