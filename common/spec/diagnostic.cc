#include "common/spec/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/printable.h"

namespace tutti::spec {
namespace {

constexpr const char* kMore = "there are more mistakes than these; correct them first";

}  // namespace

std::string Diagnostic::Text() const {
  if (line > 0) return Printable(fmt::format("{}:{}:{}: {}", file, line, column, message));
  return Printable(file.empty() ? message : fmt::format("{}: {}", file, message));
}

int Problems::AddSource(std::string name) {
  sources_.push_back(std::move(name));
  return static_cast<int>(sources_.size()) - 1;
}

void Problems::Add(Position position, std::string message) {
  Found found(position, std::move(message));
  if (known_.contains(found)) return;
  if (found_.size() == kMostMistakes) {
    more_ = true;
    return;
  }
  known_.insert(found);
  found_.push_back(std::move(found));
}

std::vector<Diagnostic> Problems::Diagnostics() const {
  std::vector<Found> sorted = found_;
  const auto earlier = [](const Found& a, const Found& b) { return a.first < b.first; };
  std::stable_sort(sorted.begin(), sorted.end(), earlier);
  std::vector<Diagnostic> diagnostics;
  for (auto& [position, message] : sorted) {
    const auto source = static_cast<size_t>(position.source);
    diagnostics.push_back({source < sources_.size() ? sources_[source] : "", position.line, position.column, message});
  }
  if (more_) diagnostics.push_back({"", 0, 0, kMore});
  return diagnostics;
}

std::string Problems::Messages() const {
  std::string text;
  for (const auto& [position, message] : found_) text += (text.empty() ? "" : ". ") + message;
  if (more_) text += std::string(". ") + kMore;
  return Printable(text);
}

}  // namespace tutti::spec
