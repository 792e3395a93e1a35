#include "coordinator/server/artifacts.h"

#include <algorithm>
#include <array>
#include <map>

#include "common/hash.h"
#include "coordinator/server/byte_range.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/or_null.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using Kind = Artifact::Kind;

constexpr int kPartialContent = 206;
constexpr int kRangeNotSatisfiable = 416;
constexpr const char* kManifest = "manifest.json";

Artifact Make(Kind kind, const fs::path& file) {
  Artifact artifact;
  artifact.id = HashText(file.string());
  artifact.kind = kind;
  artifact.file = file;
  return artifact;
}

void AddOfEnsemble(std::vector<Artifact>& artifacts, const EnsembleRecord& ensemble) {
  for (const char* name : {"experiment.yaml", "resolved.yaml", "resolved.json", "provenance.json"}) {
    artifacts.push_back(Make(Kind::kExperiment, name));
  }
  if (!ensemble.combined) return;
  for (const char* name : {"results.json", "results.csv"}) artifacts.push_back(Make(Kind::kResults, name));
  for (const Split split : {Split::kValidation, Split::kCalibration, Split::kTest}) {
    artifacts.push_back(Make(Kind::kPredictions, fmt::format("ensemble/{}.safetensors", Name(split))));
  }
}

void AddPrediction(std::vector<Artifact>& artifacts, const PredictionRecord& prediction) {
  if (!FileWithin("/", prediction.file)) return;  // a worker named it
  Artifact artifact = Make(Kind::kPredictions, prediction.file);
  artifact.attempt = prediction.attempt;
  artifact.step = prediction.step;
  if (!prediction.hash.empty()) artifact.hash = prediction.hash;
  artifacts.push_back(std::move(artifact));
}

void AddCheckpoint(std::vector<Artifact>& artifacts, const CheckpointRecord& checkpoint) {
  if (checkpoint.state != CheckpointState::kCommitted) return;
  const fs::path folder = storage::AttemptFolder(checkpoint.attempt) / storage::StepFolderName(checkpoint.step);
  for (const char* name : {kManifest, "model.safetensors", "training.safetensors"}) {
    Artifact artifact = Make(Kind::kCheckpoint, folder / name);
    artifact.attempt = checkpoint.attempt;
    artifact.step = checkpoint.step;
    if (name == kManifest) artifact.hash = checkpoint.manifest_hash;
    artifacts.push_back(std::move(artifact));
  }
}

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kResults:
      return "results";
    case Kind::kPredictions:
      return "predictions";
    case Kind::kCheckpoint:
      return "checkpoint";
    case Kind::kExperiment:
      return "experiment";
  }
  TUTTI_CHECK(false);
}

using HashesByName = std::map<std::string, std::string>;

// What a checkpoint's manifest says of the files beside it; nothing where it cannot be read.
HashesByName HashesIn(const FileSystem& files, const fs::path& folder) {
  HashesByName hashes;
  const auto text = files.Read(folder / kManifest);
  const auto json = text ? ParseJson(*text) : Result<Json>(Json());
  const auto manifest = json ? storage::ManifestFromJson(*json) : Result<storage::Manifest>(storage::Manifest());
  if (!manifest) return hashes;
  for (const storage::FileEntry& entry : manifest->files) hashes[entry.name] = entry.hash;
  return hashes;
}

// The hashes that no row has: a manifest's, or of small files their own.
class Hashes {
 public:
  Hashes(const FileSystem& files, const fs::path& folder) : files_(files), folder_(folder) {}

  std::optional<std::string> Of(const Artifact& artifact, uint64_t bytes) {
    if (artifact.hash) return artifact.hash;
    if (artifact.kind == Kind::kCheckpoint) return InManifest(artifact.file);
    if (bytes > kLongestDownload) return std::nullopt;
    const auto text = files_.Read(folder_ / artifact.file);
    return text ? std::optional(HashText(*text)) : std::nullopt;
  }

 private:
  std::optional<std::string> InManifest(const fs::path& file) {
    const fs::path checkpoint = file.parent_path();
    if (!manifests_.contains(checkpoint)) manifests_[checkpoint] = HashesIn(files_, folder_ / checkpoint);
    const auto found = manifests_[checkpoint].find(file.filename().string());
    return found == manifests_[checkpoint].end() ? std::nullopt : std::optional(found->second);
  }

  const FileSystem& files_;
  const fs::path folder_;
  std::map<fs::path, HashesByName> manifests_;
};

HttpResponse TooLong(uint64_t bytes) {
  return ProblemResponse(
      Error{ErrorCode::kInvalid,
            fmt::format("this file has {} bytes: ask for ranges of it, of at most {} each", bytes, kLongestDownload),
            nullptr});
}

HttpResponse BeyondItsEnd(uint64_t bytes) {
  HttpResponse response = ProblemResponse(
      Error{ErrorCode::kInvalid, fmt::format("this range is beyond the file's {} bytes", bytes), nullptr},
      kRangeNotSatisfiable);
  response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", bytes));
  return response;
}

}  // namespace

Role Artifact::least() const {
  const bool shows_how_it_did = kind == Kind::kResults || kind == Kind::kPredictions;
  return shows_how_it_did ? Role::kReader : Role::kOperator;
}

std::vector<Artifact> ArtifactsOf(const Records& records, const EnsembleId& id) {
  std::vector<Artifact> artifacts;
  for (const EnsembleRecord& ensemble : records.ensembles) {
    if (ensemble.id == id) AddOfEnsemble(artifacts, ensemble);
  }
  for (const PredictionRecord& prediction : records.predictions) {
    if (prediction.attempt.job.ensemble == id) AddPrediction(artifacts, prediction);
  }
  for (const CheckpointRecord& checkpoint : records.checkpoints) {
    if (checkpoint.attempt.job.ensemble == id) AddCheckpoint(artifacts, checkpoint);
  }
  return artifacts;
}

Json ArtifactsView(const FileSystem& files, const fs::path& folder, const std::vector<Artifact>& artifacts) {
  Hashes hashes(files, folder);
  Json list = Json::array();
  for (const Artifact& artifact : artifacts) {
    const auto info = files.Stat(folder / artifact.file);
    if (!info || info->is_directory) continue;
    list.push_back({{"id", artifact.id},
                    {"kind", NameOf(artifact.kind)},
                    {"name", artifact.file.filename().string()},
                    {"member", artifact.attempt ? Json(artifact.attempt->job.name) : Json(nullptr)},
                    {"attempt", artifact.attempt ? Json(artifact.attempt->number) : Json(nullptr)},
                    {"step", OrNull(artifact.step)},
                    {"bytes", info->size_bytes},
                    {"hash", OrNull(hashes.Of(artifact, info->size_bytes))}});
  }
  return {{"artifacts", std::move(list)}};
}

HttpResponse Download(const FileSystem& files, const fs::path& path, std::string_view range) {
  const auto info = files.Stat(path);
  if (!info) return ProblemResponse(info.error());
  const uint64_t bytes = info->size_bytes;
  const AskedRange asked = ParseRange(range, bytes);
  if (std::holds_alternative<NoSuchRange>(asked)) return BeyondItsEnd(bytes);
  const auto* part = std::get_if<ByteRange>(&asked);
  if (part == nullptr && bytes > kLongestDownload) return TooLong(bytes);
  const uint64_t first = part != nullptr ? part->first : 0;
  const uint64_t length = std::min(part != nullptr ? part->last - first + 1 : bytes, kLongestDownload);
  auto content = files.ReadRange(path, first, length);
  if (!content) return ProblemResponse(content.error());
  HttpResponse response{200, "application/octet-stream", std::move(*content)};
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (part != nullptr) {
    response.status = kPartialContent;
    const uint64_t last = first + response.body.size() - 1;
    response.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", first, last, bytes));
  }
  return response;
}

}  // namespace tutti::server
