// The experiments of ensembles that something is done for: each is read once, however many members it starts.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "common/ids.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::server {

// Never changes: any thread may look.
class KnownExperiment {
 public:
  explicit KnownExperiment(spec::EnsembleSpec spec);
  KnownExperiment(const KnownExperiment&) = delete;
  KnownExperiment& operator=(const KnownExperiment&) = delete;

  const spec::EnsembleSpec& spec() const { return spec_; }
  const spec::MemberSpec* FindMember(std::string_view name) const;  // null: there is none

 private:
  const spec::EnsembleSpec spec_;
  std::unordered_map<std::string_view, const spec::MemberSpec*> members_;
};

// Not thread-safe.
class Experiments {
 public:
  // Errors: what is stored cannot be read.
  Result<std::shared_ptr<const KnownExperiment>> Of(const EnsembleRecord& ensemble);
  void Forget(const EnsembleId& id) { known_.erase(id); }

 private:
  std::map<EnsembleId, std::shared_ptr<const KnownExperiment>> known_;
};

}  // namespace tutti::server
