#include <fmt/format.h>

#include "common/spec/registries.h"

namespace tutti::spec {
namespace {

constexpr int64_t kWidestLayer = 65536;
constexpr size_t kMostHiddenLayers = 64;

Parameter Init(const char* as_torch_does = "as PyTorch does by default") {
  return {"init", EnumType{{"torch", "glorot"}}, "torch",
          fmt::format("First weights: `torch` draws them {}, `glorot` Glorot-uniform with zero biases as Keras does.",
                      as_torch_does)};
}

Parameter Dropout(const char* where) {
  return {"dropout", FromToBelow(0, 1), 0.0,
          std::string("Part of the activations that training sets to zero ") + where};
}

Descriptor Mlp() {
  return {"mlp",
          "Fully connected layers with ReLU between them, on the flattened image.",
          {{"hidden", IntegerListType{{1, kWidestLayer}, kMostHiddenLayers}, Json::array({256, 128}),
            "Widths of the hidden layers; an empty list gives a linear model."},
           Dropout("after each hidden layer."),
           Init()}};
}

Descriptor Lenet5() {
  return {"lenet5",
          "LeCun's LeNet-5 with ReLU and max-pooling: convolutions of 6 and 16 channels, then 120, 84 and the classes.",
          {{"padding", EnumType{{"classic", "same"}}, "classic",
            "`classic` pads the first convolution by 2 (made for 28x28 images, 61,706 parameters on one channel and 10 "
            "classes); `same` pads every convolution to keep its size, and the layer of 120 is a third convolution."},
           Init()}};
}

Descriptor Resnet(const char* name, const char* sentence) {
  return {name,
          sentence,
          {{"width", IntegerType{1, 4096}, 16,
            "Channels of the first stage; the second has 2 and the third 4 times as "
            "many."},
           Dropout("before the last layer."),
           Init("as torchvision does for residual networks (convolutions He-normal by fan-out, the last layer as "
                "PyTorch does by default)")}};
}

}  // namespace

std::vector<Descriptor> ModelDescriptors() {
  return {
      Mlp(),
      Lenet5(),
      Resnet("resnet8", "He's residual network for CIFAR with one block in each of three stages."),
      Resnet("resnet20", "He's residual network for CIFAR with three blocks in each of three stages."),
  };
}

}  // namespace tutti::spec
