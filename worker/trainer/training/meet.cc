#include <torch/torch.h>

#include <cstdio>

#include "common/protocol/trainer_events.h"
#include "worker/trainer/parallel/collective.h"
#include "worker/trainer/training/run.h"

namespace tutti::trainer {
namespace {

Result<int> Meet() {
  CollectiveOptions options;
  options.timeout = std::chrono::seconds(20);
  TUTTI_ASSIGN_OR_RETURN(const auto collective, MakeCollective(at::kCPU, options));
  const at::Tensor ranks = at::ones({1});
  TUTTI_RETURN_IF_ERROR(collective->AllReduceSum(ranks));
  if (collective->rank() == 0) std::printf("%d ranks met\n", ranks.item<int>());
  TUTTI_RETURN_IF_ERROR(collective->Shutdown());
  return 0;
}

}  // namespace

int RunMeet() {
  const Result<int> met = Meet();
  if (met) return *met;
  std::fprintf(stderr, "tutti-trainer: %s\n", met.error().Text().c_str());
  return protocol::kExitInternal;
}

}  // namespace tutti::trainer
