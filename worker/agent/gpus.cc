#include "worker/agent/gpus.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "common/whole_number.h"

namespace tutti::worker {
namespace {

std::optional<std::string> Lookup(const Environment& environment, const std::string& key) {
  const auto found = environment.find(key);
  if (found == environment.end()) return std::nullopt;
  return found->second;
}

std::string_view Trimmed(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  const size_t end = text.find_last_not_of(" \t");
  return text.substr(begin, end == std::string_view::npos ? 0 : end + 1 - begin);
}

std::vector<std::string_view> SplitAtCommas(std::string_view text) {
  std::vector<std::string_view> entries;
  while (true) {
    const size_t comma = text.find(',');
    entries.push_back(Trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return entries;
    text.remove_prefix(comma + 1);
  }
}

bool IsUuid(std::string_view entry) { return entry.starts_with("GPU-") || entry.starts_with("MIG-"); }

std::vector<LentGpu> AllOf(const DriverGpu& gpu) {
  if (gpu.mode == DriverGpu::Mode::kWhole) return {{gpu.uuid, gpu.name, gpu.memory_bytes}};
  std::vector<LentGpu> parts;
  for (const MigDevice& part : gpu.parts) parts.push_back({part.uuid, part.name, part.memory_bytes});
  return parts;
}

void AddNew(const std::vector<LentGpu>& found, std::vector<LentGpu>& gpus) {
  for (const LentGpu& gpu : found) {
    if (std::ranges::find(gpus, gpu.id, &LentGpu::id) == gpus.end()) gpus.push_back(gpu);
  }
}

// Whose UUID begins with `entry`; more than one: none.
std::vector<LentGpu> WithUuid(const DriverReport& driver, std::string_view entry) {
  std::vector<LentGpu> found;
  int matches = 0;
  for (const DriverGpu& gpu : driver.gpus) {
    if (gpu.uuid.starts_with(entry)) {
      ++matches;
      found = AllOf(gpu);
    }
    for (const MigDevice& part : gpu.parts) {
      if (!part.uuid.starts_with(entry)) continue;
      ++matches;
      found = {{part.uuid, part.name, part.memory_bytes}};
    }
  }
  return matches == 1 ? found : std::vector<LentGpu>();
}

std::vector<LentGpu> Named(const DriverReport& driver, std::string_view entry) {
  if (IsUuid(entry)) return WithUuid(driver, entry);
  const std::optional<int> index = ParseWholeNumber<int>(entry);
  if (!index) return {};
  const auto found = std::ranges::find(driver.gpus, *index, &DriverGpu::index);
  return found == driver.gpus.end() ? std::vector<LentGpu>() : AllOf(*found);
}

std::vector<LentGpu> NamedWithoutDriver(std::string_view entry) {
  if (!IsUuid(entry) && !ParseWholeNumber<int>(entry)) return {};
  return {{std::string(entry), "", 0}};
}

std::vector<LentGpu> Visible(const GpuLimits& limits) {
  std::vector<LentGpu> gpus;
  for (const std::string_view entry : SplitAtCommas(*limits.cuda_visible_devices)) {
    const std::vector<LentGpu> named = limits.driver ? Named(*limits.driver, entry) : NamedWithoutDriver(entry);
    if (named.empty()) break;
    AddNew(named, gpus);
  }
  return gpus;
}

// "0,2-3": numbers of the whole node.
std::vector<int> NumbersOf(std::string_view text) {
  std::vector<int> numbers;
  for (const std::string_view entry : SplitAtCommas(text)) {
    const size_t dash = entry.find('-');
    const std::optional<int> first = ParseWholeNumber<int>(entry.substr(0, dash));
    const std::optional<int> last =
        dash == std::string_view::npos ? first : ParseWholeNumber<int>(entry.substr(dash + 1));
    if (!first || !last) break;
    for (int number = *first; number <= *last && numbers.size() < 1024; ++number) numbers.push_back(number);
  }
  return numbers;
}

std::vector<LentGpu> GivenBySlurm(const DriverReport& driver, const std::string& slurm_gpus) {
  const std::vector<int> numbers = NumbersOf(slurm_gpus);
  // A job that is confined sees its own GPUs alone, numbered from 0.
  const bool confined = driver.gpus.size() <= numbers.size();
  std::vector<LentGpu> gpus;
  for (const DriverGpu& gpu : driver.gpus) {
    if (confined || std::ranges::find(numbers, gpu.index) != numbers.end()) AddNew(AllOf(gpu), gpus);
  }
  return gpus;
}

}  // namespace

GpuLimits ReadGpuLimits(const Environment& environment) {
  GpuLimits limits;
  limits.driver = AskDriver();
  limits.cuda_visible_devices = Lookup(environment, "CUDA_VISIBLE_DEVICES");
  limits.slurm_gpus = Lookup(environment, "SLURM_STEP_GPUS");
  if (!limits.slurm_gpus) limits.slurm_gpus = Lookup(environment, "SLURM_JOB_GPUS");
  return limits;
}

std::vector<LentGpu> LentGpus(const GpuLimits& limits) {
  if (limits.cuda_visible_devices) return Visible(limits);
  if (!limits.driver) return {};
  if (limits.slurm_gpus) return GivenBySlurm(*limits.driver, *limits.slurm_gpus);
  std::vector<LentGpu> gpus;
  for (const DriverGpu& gpu : limits.driver->gpus) AddNew(AllOf(gpu), gpus);
  return gpus;
}

std::string Describe(const std::vector<LentGpu>& gpus) {
  std::string names;
  for (const LentGpu& gpu : gpus) {
    if (gpu.name.empty() || names.find(gpu.name) != std::string::npos) continue;
    names += (names.empty() ? "" : ", ") + gpu.name;
  }
  const std::string count = gpus.size() == 1 ? "1 GPU" : fmt::format("{} GPUs", gpus.size());
  return names.empty() ? count : fmt::format("{} ({})", count, names);
}

bool MpsRuns(const Environment& environment) {
  const std::filesystem::path folder = Lookup(environment, "CUDA_MPS_PIPE_DIRECTORY").value_or("/tmp/nvidia-mps");
  std::error_code ignored;
  return std::filesystem::exists(folder / "control", ignored);
}

}  // namespace tutti::worker
