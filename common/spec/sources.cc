#include "common/spec/registries.h"

namespace tutti::spec {
namespace {

Descriptor Idx() {
  return {"idx",
          "A folder with MNIST's four files (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same with "
          "`t10k`), plain or as `.gz`.",
          {}};
}

}  // namespace

std::vector<Descriptor> SourceDescriptors() { return {Idx()}; }

}  // namespace tutti::spec
