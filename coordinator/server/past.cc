#include "coordinator/server/past.h"

#include <algorithm>
#include <functional>

namespace tutti::server {
namespace {

// Of the newest: what was trained long ago was trained by other machines, perhaps.
constexpr size_t kEnsemblesToLearnFrom = 20;

}  // namespace

Past PastOf(const core::Core& core) {
  std::vector<EnsembleRecord> all = core.ensembles();
  std::ranges::stable_sort(all, std::greater(), &EnsembleRecord::submitted_at);
  Past past;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i >= kEnsemblesToLearnFrom && all[i].state != EnsembleState::kRunning) continue;
    past.ensembles.push_back(core.RecordsOf(all[i].id));
    for (const JobRecord& job : past.ensembles.back().jobs) {
      if (const auto* progress = core.progress(job.id)) past.epochs[job.id] = progress->epoch;
    }
  }
  return past;
}

Estimates EstimatesFrom(const Past& past, TimePoint now) {
  Estimates estimates;
  for (const Records& one : past.ensembles) estimates.Learn(one, past.epochs, now);
  return estimates;
}

}  // namespace tutti::server
