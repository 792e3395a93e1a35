// Runs under mpirun, one process a rank: the checks of collective_test.cc that need several.
#include <sched.h>
#include <torch/torch.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "worker/trainer/optim/flat_parameters.h"
#include "worker/trainer/parallel/buckets.h"
#include "worker/trainer/parallel/collective.h"

namespace tutti::trainer {
namespace {

constexpr int kPassed = 0;
constexpr int kWrong = 3;

int Complain(const char* what, const Collective& collective) {
  std::fprintf(stderr, "rank %d: %s\n", collective.rank(), what);
  return kWrong;
}

template <typename Outcome>
bool Ok(const Outcome& outcome) {
  if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().Text().c_str());
  return outcome.has_value();
}

int Sums(Collective& collective) {
  const int64_t size = collective.size();
  const int64_t expected = size * (size + 1) / 2;
  for (const auto dtype : {at::kFloat, at::kDouble, at::kLong}) {
    const at::Tensor tensor = at::full({1000}, collective.rank() + 1, dtype);
    if (!Ok(collective.AllReduceSum(tensor))) return kWrong;
    if (!tensor.eq(expected).all().item<bool>()) return Complain("wrong sum", collective);
  }
  const at::Tensor nothing = at::zeros({0});
  return Ok(collective.AllReduceSum(nothing)) ? kPassed : kWrong;
}

int Broadcasts(Collective& collective) {
  const int root = collective.size() - 1;
  const at::Tensor tensor = at::full({3}, collective.rank(), at::kLong);
  if (!Ok(collective.Broadcast(tensor, root))) return kWrong;
  return tensor.eq(root).all().item<bool>() ? kPassed : Complain("wrong broadcast", collective);
}

torch::nn::Sequential Net() {
  torch::manual_seed(5);
  return torch::nn::Sequential(torch::nn::Linear(40, 60), torch::nn::ReLU(), torch::nn::Linear(60, 60),
                               torch::nn::ReLU(), torch::nn::Linear(60, 3));
}

at::Tensor LossOf(torch::nn::Sequential& net, int part) {
  torch::manual_seed(part);
  return net->forward(torch::randn({4, 40})).square().sum();
}

// Sums of gradients over buckets that start from hooks equal those of one process that does all the work.
int Buckets(Collective& collective) {
  constexpr int kSmallBucketBytes = 4096;
  torch::nn::Sequential net = Net();
  const FlatParameters flat(*net);
  GradientBuckets buckets(flat, collective, kSmallBucketBytes);
  if (buckets.buckets() < 3) return Complain("too few buckets to mean something", collective);
  const bool idle = collective.rank() == collective.size() - 1;  // one rank has no work at all
  for (int step = 0; step < 3; ++step) {
    flat.gradients_with_tail().zero_();
    flat.tail()[1] = 1;
    if (!idle) {
      LossOf(net, 10 * collective.rank()).backward();
      buckets.ArmForLastBackward();
      LossOf(net, 10 * collective.rank() + 1).backward();
    }
    if (!Ok(buckets.Finish())) return kWrong;
  }

  torch::nn::Sequential alone = Net();
  const FlatParameters expected(*alone);
  for (int rank = 0; rank + 1 < collective.size(); ++rank) {
    LossOf(alone, 10 * rank).backward();
    LossOf(alone, 10 * rank + 1).backward();
  }
  if (!at::allclose(flat.gradients(), expected.gradients(), 1e-5, 1e-6)) return Complain("wrong gradients", collective);
  if (flat.tail()[1].item<float>() != static_cast<float>(collective.size())) return Complain("wrong tail", collective);
  return kPassed;
}

// The last rank stops as a stuck one does; the others must not wait for ever.
int StuckPeer(Collective& collective) {
  collective.SetStep(42);
  if (collective.rank() == collective.size() - 1) raise(SIGSTOP);
  const at::Tensor tensor = at::ones({10});
  const auto summed = collective.AllReduceSum(tensor);
  if (summed) return Complain("a sum without the stopped rank", collective);
  std::fprintf(stderr, "%s\n", summed.error().Text().c_str());
  collective.Abort(70);
  return kWrong;
}

int Run(std::string_view check) {
  auto made = MakeCollective(at::kCPU, {});
  if (!Ok(made)) return kWrong;
  Collective& collective = **made;
  if (collective.kind() != "mpi") return Complain("not started by mpirun", collective);
  if (check == "stuck") return StuckPeer(collective);
  if (check == "abort") {
    if (collective.rank() == 1) collective.Abort(74);
    const auto ended = collective.Barrier();
    return Complain("came through a barrier that rank 1 never reached", collective);
  }
  for (const auto run : {Sums, Broadcasts, Buckets}) {
    if (const int code = run(collective); code != kPassed) return code;
  }
  return Ok(collective.Shutdown()) ? kPassed : kWrong;
}

}  // namespace
}  // namespace tutti::trainer

int main(int argc, char** argv) { return tutti::trainer::Run(argc > 1 ? argv[1] : "all"); }
