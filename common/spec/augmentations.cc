#include "common/spec/registries.h"

namespace tutti::spec {
namespace {

Descriptor Crop() {
  return {"crop",
          "Pads the image with zeros on each side and cuts out a piece of the old size at random.",
          {{"padding", IntegerType{1, 1024}, 4, "Pixels added on each side."}},
          "padding"};
}

Descriptor Flip() {
  return {"flip",
          "Mirrors every second image, drawn at random.",
          {{"direction", EnumType{{"horizontal"}}, "horizontal", "`horizontal` changes left and right."}},
          "direction"};
}

}  // namespace

std::vector<Descriptor> AugmentationDescriptors() { return {Crop(), Flip()}; }

}  // namespace tutti::spec
