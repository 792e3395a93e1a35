#include "coordinator/server/outlines.h"

#include <utility>

namespace tutti::server {
namespace {

// Far more experiments than a home holds; then they are read again.
constexpr size_t kMostKnown = 100'000;

std::optional<Outline> Read(const std::string& text) {
  const auto spec = spec::EnsembleFromText(text);
  if (!spec) return std::nullopt;
  return OutlineOf(*spec);
}

}  // namespace

Outline OutlineOf(const spec::EnsembleSpec& spec) {
  return {spec.name, static_cast<int>(spec.members.size()), spec.minimum_members};
}

std::optional<Outline> Outlines::Of(const EnsembleRecord& ensemble) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(ensemble.spec_hash);
    if (known != known_.end()) return known->second;
  }
  std::optional<Outline> outline = Read(ensemble.spec);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_.insert_or_assign(ensemble.spec_hash, outline);
  return outline;
}

}  // namespace tutti::server
