#include "storage/checkpoints/predictions.h"

#include <span>
#include <utility>

#include "common/hash.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using tensors::TensorFile;

Result<int64_t> SamplesOf(const TensorFile& file, const fs::path& path) {
  constexpr int64_t kAnyLength[] = {-1};
  auto ids = file.Get("ids", tensors::DType::kI64, kAnyLength);
  if (ids) return ids->elements();
  return Fail(ErrorCode::kCorrupt, "{} is damaged: {}", path.string(), ids.error().Text());
}

}  // namespace

Result<TensorFile> ReadPredictions(const FileSystem& files, const fs::path& path, const PredictionRecord& row) {
  TUTTI_ASSIGN_OR_RETURN(std::string bytes, files.Read(path));
  if (!row.hash.empty() && HashText(bytes) != row.hash) {
    return Fail(ErrorCode::kCorrupt, "{} is damaged: its bytes are not those that were written", path.string());
  }
  auto file = TensorFile::Parse(std::move(bytes));
  if (!file) return FailBecause(std::move(file.error()), "{} is damaged", path.string());
  if (!row.hash.empty()) return file;
  TUTTI_ASSIGN_OR_RETURN(const int64_t samples, SamplesOf(*file, path));
  if (samples == row.samples) return file;
  return Fail(ErrorCode::kCorrupt, "{} is damaged: it has {} samples instead of {}", path.string(), samples,
              row.samples);
}

Result<int64_t> CountSamples(const FileSystem& files, const fs::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const TensorFile file, TensorFile::Read(files, path));
  return SamplesOf(file, path);
}

}  // namespace tutti::storage
