#include "worker/trainer/data/inspect.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "common/file_system.h"
#include "common/tensors/tensor_file.h"
#include "worker/trainer/data/images.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLabelsFile = "labels.safetensors";

Result<void> WriteLabels(FileSystem& files, const fs::path& folder, const at::Tensor& labels) {
  const fs::path path = folder / kLabelsFile;
  const std::span<const int64_t> values(labels.const_data_ptr<int64_t>(), static_cast<size_t>(labels.numel()));
  const std::array tensors = {
      tensors::NamedTensor{"labels", tensors::ViewOf(tensors::DType::kI64, {labels.numel()}, values)}};
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(folder));
  return WriteDurably(files, path, [&](WritableFile& file) { return tensors::WriteSafetensors(file, tensors); });
}

// One label that is far too large would add classes that no sample has, and spoil what every member learns. A few holes
// are usual: some sources count from 1.
Result<void> CheckClasses(const Images& images) {
  std::vector<int64_t> samples(static_cast<size_t>(images.classes));
  const std::span<const int64_t> labels(images.labels.const_data_ptr<int64_t>(),
                                        static_cast<size_t>(images.labels.numel()));
  for (const int64_t label : labels) ++samples[static_cast<size_t>(label)];
  const auto empty = std::count(samples.begin(), samples.end(), 0);
  if (2 * empty <= images.classes) return {};
  const auto largest = static_cast<size_t>(images.classes - 1);
  const auto first = std::find(labels.begin(), labels.end(), images.classes - 1) - labels.begin();
  return Fail(
      ErrorCode::kCorrupt,
      "the largest label is {}, which makes {} classes, of which {} have no sample; {} {} it, the first is sample "
      "{}: correct it, or number the classes from 0 without such holes",
      largest, images.classes, empty, samples[largest], samples[largest] == 1 ? "sample has" : "samples have", first);
}

}  // namespace

Result<protocol::Inspected> Inspect(const protocol::Task& task) {
  TUTTI_ASSIGN_OR_RETURN(const Images images, OpenImages(task.data, std::nullopt, task.cache));
  TUTTI_RETURN_IF_ERROR(CheckClasses(images));
  TUTTI_RETURN_IF_ERROR(WriteLabels(PosixFileSystem(), task.folder, images.labels));
  protocol::Inspected inspected;
  inspected.training_samples = images.training_samples;
  inspected.test_samples = images.test_samples;
  inspected.classes = images.classes;
  inspected.channels = static_cast<int>(images.channels());
  inspected.height = static_cast<int>(images.height());
  inspected.width = static_cast<int>(images.width());
  inspected.data_hash = images.data_hash;
  inspected.file = (task.folder / kLabelsFile).lexically_relative(task.ensemble_folder).string();
  return inspected;
}

}  // namespace tutti::trainer
