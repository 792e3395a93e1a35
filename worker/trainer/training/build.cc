#include "worker/trainer/training/build.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

namespace tutti::trainer {

Json DescribeBuild(const std::string& version) {
  const at::CUDAHooksInterface& hooks = at::detail::getCUDAHooks();
  const Json cuda = hooks.hasCUDART() ? Json(hooks.versionCUDART()) : Json();
  // Training is on CPUs alone so far, whatever LibTorch could do.
  return {{"version", version}, {"libtorch", TORCH_VERSION}, {"cuda", cuda}, {"devices", Json::array({"cpu"})}};
}

}  // namespace tutti::trainer
