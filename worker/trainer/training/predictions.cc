#include "worker/trainer/training/predictions.h"

#include <torch/torch.h>

#include "common/hash.h"
#include "common/tensors/tensor_file.h"
#include "worker/trainer/training/snapshot.h"

namespace tutti::trainer {

namespace fs = std::filesystem;

namespace {

// Hashes what is meant to be written, as it passes: what a disk makes of it is told by the difference.
class HashingFile : public WritableFile {
 public:
  HashingFile(WritableFile& file, Hasher& hasher) : file_(file), hasher_(hasher) {}

  Result<void> Append(std::span<const std::byte> bytes) override {
    hasher_.Update(bytes);
    return file_.Append(bytes);
  }
  Result<void> Sync() override { return file_.Sync(); }
  Result<void> Close() override { return file_.Close(); }

 private:
  WritableFile& file_;
  Hasher& hasher_;
};

}  // namespace

fs::path PredictionsFile(const fs::path& attempt_folder, const std::string& predictor, Split split) {
  return attempt_folder / "predictions" / predictor / fmt::format("{}.safetensors", Name(split));
}

Result<std::string> WritePredictions(FileSystem& files, const fs::path& path, const at::Tensor& logits,
                                     std::span<const int64_t> ids) {
  const fs::path folder = path.parent_path();
  const at::Tensor id_tensor = at::empty({std::ssize(ids)}, at::kLong);
  std::ranges::copy(ids, id_tensor.mutable_data_ptr<int64_t>());
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(folder));
  Hasher hasher;
  TUTTI_RETURN_IF_ERROR(WriteDurably(files, path, [&](WritableFile& file) {
    HashingFile hashing(file, hasher);
    return WriteArrays(hashing, {{"ids", id_tensor}, {"logits", logits}}, {});
  }));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder.parent_path()));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder.parent_path().parent_path()));
  return hasher.Digest();
}

}  // namespace tutti::trainer
