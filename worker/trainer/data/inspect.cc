#include "worker/trainer/data/inspect.h"

#include <array>
#include <filesystem>
#include <optional>
#include <span>

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

}  // namespace

Result<protocol::Inspected> Inspect(const protocol::Task& task) {
  TUTTI_ASSIGN_OR_RETURN(const Images images, OpenImages(task.data, std::nullopt, task.cache));
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
