#include "worker/trainer/training/initial_weights.h"

#include "common/json.h"
#include "common/network/sha256.h"
#include "common/spec/experiment_files.h"

namespace tutti::trainer {

Result<void> CheckCopy(const FileSystem& files, const std::filesystem::path& weights) {
  const std::string expected = weights.stem().string();
  if (!spec::IsFileHash(expected)) return {};
  TUTTI_ASSIGN_OR_RETURN(const std::string found, network::Sha256OfFile(files, weights));
  if (found == expected) return {};
  return Fail(
      ErrorCode::kCorrupt,
      "the ensemble's copy of the file, files/{} in its folder in the coordinator's home, is damaged: its SHA-256 "
      "is {} now. Copy the file there again, under that name, then `tutti resume`",
      weights.filename().string(), found);
}

std::string NameOfWeights(const FileSystem& files, const std::filesystem::path& weights) {
  const auto text = files.Read(weights.parent_path() / spec::kCopyNames);
  const auto json = text ? ParseJson(*text) : Result<Json>(Json(nullptr));
  if (!json || !json->is_array()) return weights.string();
  for (const Json& entry : *json) {
    if (entry.is_object() && entry.value("sha256", Json()) == weights.stem().string() && entry.contains("path") &&
        entry["path"].is_string()) {
      return entry["path"].get<std::string>();
    }
  }
  return weights.string();
}

}  // namespace tutti::trainer
