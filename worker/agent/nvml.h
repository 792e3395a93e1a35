// What the NVIDIA driver tells of this machine's GPUs. Its library, NVML, is loaded when it is asked for: the program
// starts on machines without one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace tutti::worker {

inline constexpr const char* kNvmlLibrary = "libnvidia-ml.so.1";

// A fixed part of a GPU in MIG mode.
struct MigDevice {
  std::string uuid;  // "MIG-..."
  std::string name;  // "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
  uint64_t memory_bytes = 0;
};

struct DriverGpu {
  int index = 0;     // in the order of the PCI bus
  std::string uuid;  // "GPU-..."
  std::string name;
  uint64_t memory_bytes = 0;  // 0: not told
  enum class Mode { kWhole, kMig } mode = Mode::kWhole;
  std::vector<MigDevice> parts = {};  // with kMig; perhaps none yet
};

struct DriverReport {
  std::string version;  // "550.54.14"
  int cuda = 0;         // the newest CUDA that it runs: 12040 for 12.4
  std::vector<DriverGpu> gpus;
  std::vector<std::string> problems;  // of GPUs that do not answer, which are left out
};

// Errors: kNotFound: no driver, or none that is loaded; kIo: there is one, and it fails. May take seconds on a machine
// whose driver sleeps.
Result<DriverReport> AskDriver(const std::string& library = kNvmlLibrary);

}  // namespace tutti::worker
