// The models' families, one file each. A new model is a descriptor (common/spec), a function here and a line in
// model.cc.
#pragma once

#include <memory>

#include "common/json.h"
#include "common/result.h"
#include "worker/trainer/models/model.h"

namespace tutti::trainer {

struct ModelRequest {
  Json parameters;  // complete and checked against the descriptor
  InputShape input;
  int64_t classes = 0;
};

// Each draws its first weights from the default generator, which the caller has seeded. kInvalid: the input is too
// small.
Result<std::shared_ptr<Model>> MakeMlp(const ModelRequest& request);
Result<std::shared_ptr<Model>> MakeLenet5(const ModelRequest& request);
Result<std::shared_ptr<Model>> MakeResnet8(const ModelRequest& request);
Result<std::shared_ptr<Model>> MakeResnet20(const ModelRequest& request);

// kInvalid unless height and width are both at least `least`.
Result<void> CheckSize(const InputShape& input, int64_t least);

}  // namespace tutti::trainer
