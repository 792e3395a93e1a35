#include "common/spec/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

namespace tutti::spec {

std::string Diagnostic::Text() const {
  if (line > 0) return fmt::format("{}:{}:{}: {}", file, line, column, message);
  return file.empty() ? message : fmt::format("{}: {}", file, message);
}

int Problems::AddSource(std::string name) {
  sources_.push_back(std::move(name));
  return static_cast<int>(sources_.size()) - 1;
}

void Problems::Add(Position position, std::string message) {
  const auto same = [&](const Found& found) { return found.position == position && found.message == message; };
  if (std::any_of(found_.begin(), found_.end(), same)) return;
  found_.push_back({position, std::move(message)});
}

std::vector<Diagnostic> Problems::Diagnostics() const {
  std::vector<Found> sorted = found_;
  const auto earlier = [](const Found& a, const Found& b) { return a.position < b.position; };
  std::stable_sort(sorted.begin(), sorted.end(), earlier);
  std::vector<Diagnostic> diagnostics;
  for (Found& found : sorted) {
    const auto source = static_cast<size_t>(found.position.source);
    diagnostics.push_back({source < sources_.size() ? sources_[source] : "", found.position.line, found.position.column,
                           std::move(found.message)});
  }
  return diagnostics;
}

std::string Problems::Messages() const {
  std::string text;
  for (const Found& found : found_) text += (text.empty() ? "" : ". ") + found.message;
  return text;
}

}  // namespace tutti::spec
