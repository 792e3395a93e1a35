// What a trainer can compute on, as it says itself.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace tutti::worker {

struct TrainerBuild {
  std::string version;               // of Tutti
  std::string libtorch;              // "2.13.0"
  std::optional<int> cuda;           // that LibTorch was built with, 13000 for 13.0; none: a build for CPUs
  std::vector<std::string> devices;  // that it trains on: "cpu", "cuda"

  bool TrainsOn(std::string_view device) const;
};

// kInvalid: it is no trainer of this release; kTimeout; those of StartProcess. To be called on a thread that stays.
Result<TrainerBuild> AskTrainer(const std::filesystem::path& trainer, Duration deadline = std::chrono::seconds(30));

// 12040 -> "12.4"
std::string FormatCuda(int version);

}  // namespace tutti::worker
