#include "worker/trainer/training/predictions.h"

#include <torch/torch.h>

#include "common/tensors/tensor_file.h"
#include "worker/trainer/training/snapshot.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

Result<void> WriteUnder(FileSystem& files, const fs::path& path, const at::Tensor& logits,
                        std::span<const int64_t> ids) {
  const at::Tensor id_tensor = at::empty({std::ssize(ids)}, at::kLong);
  std::ranges::copy(ids, id_tensor.mutable_data_ptr<int64_t>());
  TUTTI_ASSIGN_OR_RETURN(auto file, files.Create(path));
  TUTTI_RETURN_IF_ERROR(WriteArrays(*file, {{"ids", id_tensor}, {"logits", logits}}, {}));
  TUTTI_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace

fs::path PredictionsFile(const fs::path& attempt_folder, const std::string& predictor, Split split) {
  return attempt_folder / "predictions" / predictor / fmt::format("{}.safetensors", Name(split));
}

Result<void> WritePredictions(FileSystem& files, const fs::path& path, const at::Tensor& logits,
                              std::span<const int64_t> ids) {
  const fs::path folder = path.parent_path();
  const fs::path temporary = path.string() + ".tmp";
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(folder));
  TUTTI_RETURN_IF_ERROR(WriteUnder(files, temporary, logits, ids));
  TUTTI_RETURN_IF_ERROR(files.Rename(temporary, path));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder.parent_path()));
  return files.SyncDirectory(folder.parent_path().parent_path());
}

}  // namespace tutti::trainer
