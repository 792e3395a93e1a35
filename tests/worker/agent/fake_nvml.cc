// A library that stands for NVML (worker/agent/nvml.cc): the GPUs that it shows are those of the environment.
//
//   FAKE_NVML_GPUS    "GPU-a:NVIDIA A100:40;GPU-b:NVIDIA A100:40:MIG-1=5+MIG-2=5;lost": UUID, name, GB, in MIG mode the
//                     parts with theirs; a GPU that does not answer
//   FAKE_NVML_STATUS  what nvmlInit_v2 returns, 0 by default

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
constexpr int kGpuIsLost = 15;

struct Memory {
  unsigned long long total, free, used;  // NOLINT: the interface's own types
};
struct Gpu {
  std::string uuid, name;
  unsigned long long gigabytes = 0;  // NOLINT
  bool mig = false;
  std::vector<Gpu> parts;
};

std::vector<Gpu> gpus;
bool initialised = false;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

Gpu ReadPart(const std::string& text) {
  const size_t equals = text.find('=');
  return {text.substr(0, equals), "part", std::stoull(text.substr(equals + 1)), false, {}};
}

Gpu ReadGpu(const std::string& text) {
  const std::vector<std::string> words = Split(text, ':');
  if (words.size() < 3) return {};
  Gpu gpu{words[0], words[1], std::stoull(words[2]), words.size() > 3, {}};
  if (gpu.mig) {
    for (const std::string& part : Split(words[3], '+')) gpu.parts.push_back(ReadPart(part));
  }
  return gpu;
}

int Put(const std::string& text, char* target, unsigned size) {
  if (text.size() + 1 > size) return 7;
  std::memcpy(target, text.c_str(), text.size() + 1);
  return kSuccess;
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  if (const char* status = std::getenv("FAKE_NVML_STATUS")) return std::atoi(status);
  const char* shown = std::getenv("FAKE_NVML_GPUS");
  gpus.clear();
  for (const std::string& gpu : Split(shown == nullptr ? "" : shown, ';')) gpus.push_back(ReadGpu(gpu));
  initialised = true;
  return kSuccess;
}
int nvmlShutdown() {
  if (!initialised) std::abort();
  initialised = false;
  return kSuccess;
}
const char* nvmlErrorString(int status) { return status == kGpuIsLost ? "GPU is lost" : "Driver/library mismatch"; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { return Put("550.54.14", text, size); }
int nvmlSystemGetCudaDriverVersion(int* version) {
  *version = 12040;
  return kSuccess;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(gpus.size());
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= gpus.size()) return 2;
  if (gpus[index].uuid.empty()) return kGpuIsLost;
  *device = &gpus[index];
  return kSuccess;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned size) {
  return Put(static_cast<Gpu*>(device)->uuid, text, size);
}
int nvmlDeviceGetName(void* device, char* text, unsigned size) {
  return Put(static_cast<Gpu*>(device)->name, text, size);
}
int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  *memory = {static_cast<Gpu*>(device)->gigabytes * 1'000'000'000, 1, 1};
  return kSuccess;
}
int nvmlDeviceGetMigMode(void* device, unsigned* current, unsigned* pending) {
  if (static_cast<Gpu*>(device)->name == "Old") return kNotSupported;
  *current = *pending = static_cast<Gpu*>(device)->mig ? 1 : 0;
  return kSuccess;
}
int nvmlDeviceGetMaxMigDeviceCount(void*, unsigned* count) {
  *count = 7;
  return kSuccess;
}
// Every other place is empty.
int nvmlDeviceGetMigDeviceHandleByIndex(void* device, unsigned index, void** part) {
  std::vector<Gpu>& parts = static_cast<Gpu*>(device)->parts;
  if (index % 2 != 0 || index / 2 >= parts.size()) return kNotFound;
  *part = &parts[index / 2];
  return kSuccess;
}
}
