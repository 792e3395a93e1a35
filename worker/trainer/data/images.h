// Labelled images as bytes, one decoded copy on a node, shared by every trainer on it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::trainer {

// A sample's id is its position: the source's training part first, then its test part.
struct Images {
  at::Tensor pixels;  // uint8 [samples, channels, height, width], read-only (memory-mapped)
  at::Tensor labels;  // int64 [samples]
  int64_t training_samples = 0;
  int64_t test_samples = 0;
  int classes = 0;
  std::string data_hash;  // of the source's decoded content, whatever it was scaled to

  int64_t channels() const { return pixels.size(1); }
  int64_t height() const { return pixels.size(2); }
  int64_t width() const { return pixels.size(3); }
};

// Opens the source named in `data`, every image scaled to `side` x `side` pixels (at least 1; bilinear with
// antialiasing, as torchvision's Resize; bytes again) or, without it, as it is: from the cache when the source's files
// are unchanged, else decoded and scaled once under a lock into `cache`. Errors of the source: kNotFound, kInvalid (bad
// magic, sizes, labels; truncated); of disks and the cache: kIo, kNoSpace, kDenied, and kTimeout when another process
// keeps its lock. Each names the file and what to do.
Result<Images> OpenImages(const spec::DataSpec& data, std::optional<int64_t> side, const std::filesystem::path& cache);

}  // namespace tutti::trainer
