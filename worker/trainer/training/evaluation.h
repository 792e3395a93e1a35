// What a model says about samples, the work divided over the ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "common/result.h"
#include "worker/trainer/data/batches.h"
#include "worker/trainer/models/model.h"
#include "worker/trainer/parallel/collective.h"

namespace tutti::trainer {

struct Score {
  double loss = 0;      // mean negative log-likelihood, without label smoothing
  double accuracy = 0;  // in [0, 1]
};

// Every rank calls, and gets the same; the bits do not depend on the number of ranks. The model is in evaluation mode
// afterwards. Errors are the collective's.
class Evaluator {
 public:
  Evaluator(Model& model, BatchMaker& batches, Collective& collective, int64_t classes)
      : model_(model), batches_(batches), collective_(collective), classes_(classes) {}

  Result<Score> Evaluate(std::span<const int64_t> ids);
  Result<at::Tensor> Logits(std::span<const int64_t> ids);  // float32 [ids, classes]

 private:
  template <typename Visit>
  void ForOwnBatches(std::span<const int64_t> ids, const Visit& visit);

  Model& model_;
  BatchMaker& batches_;
  Collective& collective_;
  int64_t classes_;
};

}  // namespace tutti::trainer
