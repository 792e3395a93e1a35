#include "worker/trainer/training/predictions.h"

#include <torch/torch.h>

#include "common/tensors/tensor_file.h"
#include "worker/trainer/training/snapshot.h"

namespace tutti::trainer {

namespace fs = std::filesystem;

fs::path PredictionsFile(const fs::path& attempt_folder, const std::string& predictor, Split split) {
  return attempt_folder / "predictions" / predictor / fmt::format("{}.safetensors", Name(split));
}

Result<void> WritePredictions(FileSystem& files, const fs::path& path, const at::Tensor& logits,
                              std::span<const int64_t> ids) {
  const fs::path folder = path.parent_path();
  const at::Tensor id_tensor = at::empty({std::ssize(ids)}, at::kLong);
  std::ranges::copy(ids, id_tensor.mutable_data_ptr<int64_t>());
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(folder));
  TUTTI_RETURN_IF_ERROR(WriteDurably(files, path, [&](WritableFile& file) {
    return WriteArrays(file, {{"ids", id_tensor}, {"logits", logits}}, {});
  }));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder.parent_path()));
  return files.SyncDirectory(folder.parent_path().parent_path());
}

}  // namespace tutti::trainer
