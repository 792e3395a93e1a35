#include "worker/transfer/download.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "common/hash.h"
#include "common/json.h"
#include "common/spec/experiment_files.h"
#include "storage/checkpoints/checkpoint_folder.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

struct Incoming {
  fs::path file;  // relative to the ensemble's folder
  uint64_t bytes = 0;
  std::string hash;
};

Result<std::vector<Incoming>> ReadInputs(const std::string& text) {
  const auto json = ParseJson(text);
  const bool listed = json && json->is_object() && json->contains("inputs") && (*json)["inputs"].is_array();
  if (!listed) return Fail(ErrorCode::kInvalid, "the coordinator's answer names no inputs: {}", text);
  std::vector<Incoming> inputs;
  for (const Json& entry : (*json)["inputs"]) {
    const bool whole = entry.is_object() && entry.contains("file") && entry["file"].is_string() &&
                       entry.contains("bytes") && entry["bytes"].is_number_unsigned() && entry.contains("hash") &&
                       entry["hash"].is_string();
    if (!whole) return Fail(ErrorCode::kInvalid, "the coordinator names an input that is none: {}", entry.dump());
    inputs.push_back(
        {entry["file"].get<std::string>(), entry["bytes"].get<uint64_t>(), entry["hash"].get<std::string>()});
  }
  return inputs;
}

class Fetching {
 public:
  Fetching(Exchange& exchange, const Sender& sender, FileSystem& files, const protocol::Task& task)
      : exchange_(exchange), sender_(sender), files_(files), task_(task) {}

  Result<void> Run() {
    TUTTI_ASSIGN_OR_RETURN(const std::string answer, exchange_.Ask({"GET", sender_.Target(task_.attempt, "inputs")}));
    TUTTI_ASSIGN_OR_RETURN(const std::vector<Incoming> inputs, ReadInputs(answer));
    std::vector<Incoming> checkpoint;
    for (const Incoming& input : inputs) {
      const fs::path path = task_.ensemble_folder / input.file;
      if (path == task_.split || IsForWeights(path)) {
        TUTTI_RETURN_IF_ERROR(FetchFile(input, path));
      } else if (task_.resume_from && path.parent_path() == *task_.resume_from && path.has_filename()) {
        checkpoint.push_back(input);
      } else {
        return Fail(ErrorCode::kInvalid, "the coordinator sends {}, which {} does not name", input.file.string(),
                    task_.attempt.str());
      }
    }
    return checkpoint.empty() ? Result<void>() : FetchCheckpoint(checkpoint);
  }

 private:
  // The copy that it begins with, and what tells what its user called it.
  bool IsForWeights(const fs::path& path) const {
    if (!task_.member || !task_.member->weights) return false;
    const fs::path& weights = *task_.member->weights;
    return path == weights || path == weights.parent_path() / spec::kCopyNames;
  }

  Result<void> FetchCheckpoint(const std::vector<Incoming>& inputs) {
    const fs::path folder = *task_.resume_from;
    if (IsWhole(inputs, folder)) return {};
    TUTTI_RETURN_IF_ERROR(files_.RemoveAll(folder));
    const fs::path gathering =
        folder.parent_path() / fmt::format(".{}.for-attempt-{}", folder.filename().string(), task_.attempt.number);
    for (const Incoming& input : inputs) {
      TUTTI_RETURN_IF_ERROR(FetchFile(input, gathering / input.file.filename()));
    }
    return files_.Rename(gathering, folder);
  }

  bool IsWhole(const std::vector<Incoming>& inputs, const fs::path& folder) const {
    return std::ranges::all_of(inputs,
                               [&](const Incoming& input) { return Has(input, folder / input.file.filename()); });
  }

  bool Has(const Incoming& input, const fs::path& path) const {
    return storage::HoldsFile(files_, path, input.bytes, input.hash).value_or(false);
  }

  Result<void> FetchFile(const Incoming& input, const fs::path& path) {
    if (Has(input, path)) return {};
    TUTTI_RETURN_IF_ERROR(files_.CreateDirectories(path.parent_path()));
    // Each attempt its own: members of one ensemble fetch the same split side by side.
    const fs::path part = path.parent_path() /
                          fmt::format(".{}.{}", path.filename().string(), HashText(task_.attempt.str() + input.hash));
    TUTTI_RETURN_IF_ERROR(FetchPieces(input, part));
    if (Has(input, part)) return files_.Rename(part, path);
    TUTTI_RETURN_IF_ERROR(files_.Remove(part));
    return Fail(ErrorCode::kCorrupt, "what came of {} is not what the coordinator has", input.file.string());
  }

  Result<void> FetchPieces(const Incoming& input, const fs::path& part) {
    TUTTI_ASSIGN_OR_RETURN(const auto file, files_.OpenForAppend(part));
    TUTTI_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(part));
    const std::string target = fmt::format("{}&file={}", sender_.Target(task_.attempt, "inputs/content"),
                                           network::EncodeUrlPart(input.file.string()));
    for (uint64_t offset = info.size_bytes; offset < input.bytes;) {
      const uint64_t length = std::min(kDownloadPiece, input.bytes - offset);
      TUTTI_ASSIGN_OR_RETURN(const std::string piece, exchange_.Ask({"GET", target, "", {{offset, length}}}));
      if (piece.empty() || piece.size() > length) {
        return Fail(ErrorCode::kInvalid, "the coordinator sent {} bytes of {} instead of {}", piece.size(),
                    input.file.string(), length);
      }
      TUTTI_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(piece))));
      offset += piece.size();
    }
    return file->Close();
  }

  Exchange& exchange_;
  const Sender& sender_;
  FileSystem& files_;
  const protocol::Task& task_;
};

}  // namespace

Result<void> FetchInputs(Exchange& exchange, const Sender& sender, FileSystem& files, const protocol::Task& task) {
  if (task.split.empty() && !task.resume_from) return {};
  return Fetching(exchange, sender, files, task).Run();
}

}  // namespace tutti::worker
