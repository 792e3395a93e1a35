#include "coordinator/server/experiments.h"

#include <utility>

namespace tutti::server {

KnownExperiment::KnownExperiment(spec::EnsembleSpec spec) : spec_(std::move(spec)) {
  members_.reserve(spec_.members.size());
  for (const spec::MemberSpec& member : spec_.members) members_.emplace(member.name, &member);
}

const spec::MemberSpec* KnownExperiment::FindMember(std::string_view name) const {
  const auto found = members_.find(name);
  return found == members_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<const KnownExperiment>> Experiments::Of(const EnsembleRecord& ensemble) {
  const auto known = known_.find(ensemble.id);
  if (known != known_.end()) return known->second;
  auto spec = spec::EnsembleFromText(ensemble.spec);
  if (!spec) return FailBecause(std::move(spec.error()), "the stored experiment of {} cannot be read", ensemble.id);
  return known_.emplace(ensemble.id, std::make_shared<const KnownExperiment>(std::move(*spec))).first->second;
}

}  // namespace tutti::server
