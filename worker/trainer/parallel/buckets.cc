#include "worker/trainer/parallel/buckets.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/torch.h>

#include <utility>
#include <vector>

namespace tutti::trainer {
namespace {

struct Bucket {
  at::Tensor slice;        // of the flat gradient
  int64_t parameters = 0;  // that lie in it
  int64_t waiting = 0;     // of those, in this backward
};

using Accumulator = decltype(torch::autograd::impl::grad_accumulator(std::declval<at::Tensor>()));

}  // namespace

// Shared with the hooks, which live as long as the model.
struct GradientBuckets::State {
  Collective* collective = nullptr;  // null once the owner is gone
  std::vector<Bucket> buckets;
  std::vector<std::unique_ptr<Collective::Operation>> started;
  std::vector<Accumulator> accumulators;
  bool armed = false;
  Result<void> outcome;

  void ParameterDone(size_t bucket) {
    if (!armed || collective == nullptr) return;
    --buckets[bucket].waiting;
    StartWholeBuckets();
    collective->Progress();
  }

  void StartWholeBuckets() {
    while (started.size() < buckets.size() && buckets[started.size()].waiting <= 0) StartNext();
  }

  void StartNext() {
    if (!outcome) return started.push_back(nullptr);
    auto operation = collective->StartAllReduceSum(buckets[started.size()].slice);
    if (!operation) outcome = tl::unexpected<Error>(std::move(operation.error()));
    started.push_back(operation ? std::move(*operation) : nullptr);
  }

  Result<void> WaitForAll() {
    while (started.size() < buckets.size()) StartNext();
    for (const auto& operation : std::exchange(started, {})) {
      if (outcome && operation) outcome = operation->Wait();
    }
    return std::exchange(outcome, {});
  }
};

class GradientBuckets::Hook : public torch::autograd::FunctionPostHook {
 public:
  Hook(std::shared_ptr<State> state, size_t bucket) : state_(std::move(state)), bucket_(bucket) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list&) override {
    state_->ParameterDone(bucket_);
    return outputs;
  }

 private:
  std::shared_ptr<State> state_;
  size_t bucket_;
};

GradientBuckets::GradientBuckets(const FlatParameters& flat, Collective& collective, int64_t bucket_bytes)
    : state_(std::make_shared<State>()) {
  if (collective.size() == 1) return;
  state_->collective = &collective;
  const int64_t bucket_elements = bucket_bytes / static_cast<int64_t>(sizeof(float));
  int64_t begin = 0;
  int64_t parameters = 0;
  const auto close_bucket = [&](int64_t end) {
    state_->buckets.push_back({flat.gradients_with_tail().narrow(0, begin, end - begin), parameters, 0});
    begin = end;
    parameters = 0;
  };
  for (const FlatParameters::Slice& slice : flat.slices()) {
    if (parameters > 0 && slice.padded_end - begin > bucket_elements) close_bucket(slice.offset);
    ++parameters;
    auto accumulator = torch::autograd::impl::grad_accumulator(slice.parameter);
    accumulator->add_post_hook(std::make_unique<Hook>(state_, state_->buckets.size()));
    state_->accumulators.push_back(std::move(accumulator));
  }
  close_bucket(flat.gradients_with_tail().numel());
}

GradientBuckets::~GradientBuckets() {
  state_->collective = nullptr;
  state_->accumulators.clear();  // they hold the hooks, which hold this state
}

void GradientBuckets::ArmForLastBackward() {
  for (Bucket& bucket : state_->buckets) bucket.waiting = bucket.parameters;
  state_->armed = true;
}

Result<void> GradientBuckets::Finish() {
  state_->armed = false;
  return state_->WaitForAll();
}

int64_t GradientBuckets::buckets() const { return static_cast<int64_t>(state_->buckets.size()); }

}  // namespace tutti::trainer
