#include "worker/trainer/training/evaluation.h"

#include <torch/torch.h>

#include <algorithm>

namespace tutti::trainer {
namespace {

constexpr int64_t kBatch = 500;  // larger ones leave the caches: half as fast at 1,000

int64_t BatchesOf(std::span<const int64_t> ids) { return (std::ssize(ids) + kBatch - 1) / kBatch; }

}  // namespace

template <typename Visit>
void Evaluator::ForOwnBatches(std::span<const int64_t> ids, const Visit& visit) {
  const torch::NoGradGuard no_gradients;
  model_.eval();
  for (int64_t batch = collective_.rank(); batch < BatchesOf(ids); batch += collective_.size()) {
    const int64_t begin = batch * kBatch;
    const int64_t count = std::min(kBatch, std::ssize(ids) - begin);
    const auto made = batches_.Evaluation(ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)));
    visit(batch, begin, model_.Forward(made.inputs), made.labels);
  }
}

// Each batch has its own row, zero on all ranks but one, so that the sum over ranks is exact and the sum over batches
// has one order.
Result<Score> Evaluator::Evaluate(std::span<const int64_t> ids) {
  const at::Tensor sums = at::zeros({BatchesOf(ids), 2}, at::kDouble);
  ForOwnBatches(ids, [&](int64_t batch, int64_t, const at::Tensor& logits, const at::Tensor& labels) {
    const at::Tensor losses = at::cross_entropy_loss(logits.to(at::kDouble), labels, {}, at::Reduction::Sum);
    sums[batch][0] = losses;
    sums[batch][1] = logits.argmax(1).eq(labels).sum();
  });
  TUTTI_RETURN_IF_ERROR(collective_.AllReduceSum(sums));
  Score score;
  const auto rows = sums.accessor<double, 2>();
  for (int64_t batch = 0; batch < rows.size(0); ++batch) {
    score.loss += rows[batch][0];
    score.accuracy += rows[batch][1];
  }
  const double samples = static_cast<double>(std::max<size_t>(1, ids.size()));
  return Score{score.loss / samples, score.accuracy / samples};
}

Result<at::Tensor> Evaluator::Logits(std::span<const int64_t> ids) {
  at::Tensor all = at::zeros({std::ssize(ids), classes_}, at::kFloat);
  ForOwnBatches(ids, [&](int64_t, int64_t begin, const at::Tensor& logits, const at::Tensor&) {
    all.narrow(0, begin, logits.size(0)).copy_(logits);
  });
  TUTTI_RETURN_IF_ERROR(collective_.AllReduceSum(all));
  return all;
}

}  // namespace tutti::trainer
