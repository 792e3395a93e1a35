// What `tutti doctor` found, as people and programs read it. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/render/text.h"
#include "common/json.h"
#include "common/result.h"

namespace tutti::cli {

enum class Verdict { kOk, kWarning, kProblem };
std::string_view Name(Verdict verdict);  // "ok", "warning", "problem"

// Of one check.
struct Finding {
  std::string check;  // "gpus"
  Verdict verdict = Verdict::kOk;
  std::string found;  // a sentence without its full stop
  std::string cure;   // what to do; empty where nothing is to be done
  bool operator==(const Finding&) const = default;
};

Json ToJson(const Finding& finding);
Result<Finding> FindingFromJson(const Json& json);  // kInvalid

// A table, what to do under it, and how many problems and warnings there are.
std::string RenderFindings(const std::vector<Finding>& findings, const Page& page);
Json FindingsDocument(const std::vector<Finding>& findings);

}  // namespace tutti::cli
