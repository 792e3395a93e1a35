#include "worker/agent/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace tutti::worker {
namespace {

// The few functions and values that are needed of NVML's C interface, as its reference describes them
// (https://docs.nvidia.com/deploy/nvml-api, and nvml.h of the CUDA toolkit). NVIDIA keeps them stable: what changes
// gets a new name, with _v2 behind.
using Status = int;
struct DeviceHandle;
using Device = DeviceHandle*;
struct Memory {
  unsigned long long total, free, used;  // NOLINT: the interface's own types
};
constexpr Status kSuccess = 0;
constexpr Status kNotFound = 6;
constexpr Status kDriverNotLoaded = 9;
constexpr Status kLibraryNotFound = 12;
constexpr unsigned kMigEnabled = 1;
constexpr size_t kTextSize = 96;  // NVML_DEVICE_UUID_V2_BUFFER_SIZE, and as much for names and versions
constexpr unsigned kMostGpus = 1024;
constexpr unsigned kMostParts = 64;

class Library {
 public:
  static Result<Library> Open(const std::string& name) {
    Library library;
    library.handle_.reset(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (!library.handle_) {
      return Fail(ErrorCode::kNotFound, "there is no NVIDIA driver: {}", ::dlerror());
    }
    const bool complete = library.Find("nvmlInit_v2", library.init) && library.Find("nvmlShutdown", library.shutdown) &&
                          library.Find("nvmlErrorString", library.error_string) &&
                          library.Find("nvmlSystemGetDriverVersion", library.driver_version) &&
                          library.Find("nvmlSystemGetCudaDriverVersion", library.cuda_version) &&
                          library.Find("nvmlDeviceGetCount_v2", library.count) &&
                          library.Find("nvmlDeviceGetHandleByIndex_v2", library.handle_by_index) &&
                          library.Find("nvmlDeviceGetUUID", library.uuid) &&
                          library.Find("nvmlDeviceGetName", library.name) &&
                          library.Find("nvmlDeviceGetMemoryInfo", library.memory);
    if (!complete) return Fail(ErrorCode::kIo, "{} is too old, or no NVML: install a newer NVIDIA driver", name);
    // Of drivers that know MIG.
    library.Find("nvmlDeviceGetMigMode", library.mig_mode);
    library.Find("nvmlDeviceGetMaxMigDeviceCount", library.mig_count);
    library.Find("nvmlDeviceGetMigDeviceHandleByIndex", library.mig_by_index);
    return library;
  }

  bool knows_mig() const { return mig_mode != nullptr && mig_count != nullptr && mig_by_index != nullptr; }
  std::string Explain(Status status) const {
    const char* text = error_string(status);
    return text == nullptr ? fmt::format("error {}", status) : text;
  }

  Status (*init)() = nullptr;
  Status (*shutdown)() = nullptr;
  const char* (*error_string)(Status) = nullptr;
  Status (*driver_version)(char*, unsigned) = nullptr;
  Status (*cuda_version)(int*) = nullptr;
  Status (*count)(unsigned*) = nullptr;
  Status (*handle_by_index)(unsigned, Device*) = nullptr;
  Status (*uuid)(Device, char*, unsigned) = nullptr;
  Status (*name)(Device, char*, unsigned) = nullptr;
  Status (*memory)(Device, Memory*) = nullptr;
  Status (*mig_mode)(Device, unsigned* current, unsigned* pending) = nullptr;
  Status (*mig_count)(Device, unsigned*) = nullptr;
  Status (*mig_by_index)(Device, unsigned, Device*) = nullptr;

 private:
  struct Closer {
    void operator()(void* handle) const { ::dlclose(handle); }
  };

  template <typename Function>
  bool Find(const char* symbol, Function*& function) {
    function = reinterpret_cast<Function*>(::dlsym(handle_.get(), symbol));
    return function != nullptr;
  }

  std::unique_ptr<void, Closer> handle_;
};

// Between init and shutdown.
class Session {
 public:
  explicit Session(const Library& library) : library_(library), status_(library.init()) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (status_ == kSuccess) library_.shutdown();
  }
  Status status() const { return status_; }

 private:
  const Library& library_;
  Status status_;
};

std::string TextOf(Status (*ask)(Device, char*, unsigned), Device device) {
  std::array<char, kTextSize> text{};
  if (ask(device, text.data(), static_cast<unsigned>(text.size() - 1)) != kSuccess) return "";
  return text.data();
}

uint64_t MemoryOf(const Library& nvml, Device device) {
  Memory memory{};
  return nvml.memory(device, &memory) == kSuccess ? memory.total : 0;
}

bool IsInMigMode(const Library& nvml, Device device) {
  unsigned current = 0, pending = 0;
  return nvml.knows_mig() && nvml.mig_mode(device, &current, &pending) == kSuccess && current == kMigEnabled;
}

std::vector<MigDevice> PartsOf(const Library& nvml, Device device) {
  std::vector<MigDevice> parts;
  unsigned count = 0;
  if (nvml.mig_count(device, &count) != kSuccess) return parts;
  for (unsigned index = 0; index < std::min(count, kMostParts); ++index) {
    Device part = nullptr;
    if (nvml.mig_by_index(device, index, &part) != kSuccess) continue;  // places that hold no part
    MigDevice found{TextOf(nvml.uuid, part), TextOf(nvml.name, part), MemoryOf(nvml, part)};
    if (!found.uuid.empty()) parts.push_back(std::move(found));
  }
  return parts;
}

Result<DriverGpu> DescribeGpu(const Library& nvml, unsigned index) {
  Device device = nullptr;
  if (const Status status = nvml.handle_by_index(index, &device); status != kSuccess) {
    return Fail(ErrorCode::kIo, "GPU {} does not answer: {}", index, nvml.Explain(status));
  }
  DriverGpu gpu{static_cast<int>(index), TextOf(nvml.uuid, device), TextOf(nvml.name, device), MemoryOf(nvml, device)};
  if (gpu.uuid.empty()) return Fail(ErrorCode::kIo, "GPU {} does not tell its UUID", index);
  if (!IsInMigMode(nvml, device)) return gpu;
  gpu.mode = DriverGpu::Mode::kMig;
  gpu.parts = PartsOf(nvml, device);
  return gpu;
}

Result<DriverReport> Describe(const Library& nvml) {
  DriverReport report;
  std::array<char, kTextSize> version{};
  if (nvml.driver_version(version.data(), static_cast<unsigned>(version.size() - 1)) == kSuccess) {
    report.version = version.data();
  }
  nvml.cuda_version(&report.cuda);
  unsigned count = 0;
  const Status counted = nvml.count(&count);
  if (counted != kSuccess && counted != kNotFound) {
    return Fail(ErrorCode::kIo, "the NVIDIA driver does not list its GPUs: {}", nvml.Explain(counted));
  }
  for (unsigned index = 0; index < std::min(count, kMostGpus); ++index) {
    Result<DriverGpu> gpu = DescribeGpu(nvml, index);
    if (gpu) {
      report.gpus.push_back(std::move(*gpu));
    } else {
      report.problems.push_back(gpu.error().Text());
    }
  }
  return report;
}

}  // namespace

Result<DriverReport> AskDriver(const std::string& library) {
  TUTTI_ASSIGN_OR_RETURN(const Library nvml, Library::Open(library));
  const Session session(nvml);
  switch (session.status()) {
    case kSuccess:
      return Describe(nvml);
    case kDriverNotLoaded:
    case kLibraryNotFound:
      return Fail(ErrorCode::kNotFound, "the NVIDIA driver is not loaded: {}", nvml.Explain(session.status()));
    default:
      return Fail(ErrorCode::kIo, "the NVIDIA driver fails: {}", nvml.Explain(session.status()));
  }
}

}  // namespace tutti::worker
