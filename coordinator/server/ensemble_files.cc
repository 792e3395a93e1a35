#include "coordinator/server/ensemble_files.h"

#include <algorithm>
#include <string_view>

#include "common/json.h"
#include "common/whole_number.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using tensors::DType;
using tensors::NamedTensor;
using tensors::TensorFile;

// No ensemble's name begins with a dot.
constexpr std::string_view kRemovalPrefix = ".removing-";

fs::path FolderSetAside(const fs::path& home, const EnsembleId& id) {
  return home / (std::string(kRemovalPrefix) + id.str());
}

NamedTensor IdTensor(const char* name, const std::vector<int64_t>& ids) {
  return {name, tensors::ViewOf<int64_t>(DType::kI64, {static_cast<int64_t>(ids.size())}, ids)};
}

Result<std::vector<int64_t>> ReadIds(const TensorFile& file, std::string_view name) {
  constexpr int64_t kAnyLength[] = {-1};
  TUTTI_ASSIGN_OR_RETURN(const tensors::TensorView view, file.Get(name, DType::kI64, kAnyLength));
  const auto ids = view.As<int64_t>();
  return std::vector<int64_t>(ids.begin(), ids.end());
}

// The inspection that the events tell of; the last one counts.
Result<protocol::Inspected> FindReport(const FileSystem& files, const fs::path& events) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.Read(events));
  std::optional<protocol::Inspected> report;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const auto json = ParseJson(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (!json) continue;
    const auto event = protocol::TrainerEventFromJson(*json);
    if (event && std::holds_alternative<protocol::Inspected>(*event)) report = std::get<protocol::Inspected>(*event);
  }
  if (!report) return Fail(ErrorCode::kCorrupt, "{} tells of no inspection", events.string());
  return std::move(*report);
}

Result<void> CheckInspection(const Inspection& inspection, const fs::path& path) {
  const auto& report = inspection.report;
  if (report.training_samples < 0 || report.test_samples < 0 ||
      static_cast<uint64_t>(report.training_samples) + static_cast<uint64_t>(report.test_samples) !=
          inspection.labels.size()) {
    return Fail(ErrorCode::kCorrupt, "{} has {} labels, but the inspection found {} training and {} test samples",
                path.string(), inspection.labels.size(), report.training_samples, report.test_samples);
  }
  for (size_t id = 0; id < inspection.labels.size(); ++id) {
    if (inspection.labels[id] >= 0 && inspection.labels[id] < report.classes) continue;
    return Fail(ErrorCode::kCorrupt, "{}: sample {} has label {}, but there are {} classes", path.string(), id,
                inspection.labels[id], report.classes);
  }
  return {};
}

}  // namespace

Result<void> WriteTensorsDurably(FileSystem& files, const fs::path& path, std::span<const NamedTensor> tensors,
                                 const tensors::Metadata& metadata) {
  return WriteDurably(files, path,
                      [&](WritableFile& file) { return tensors::WriteSafetensors(file, tensors, metadata); });
}

Result<fs::path> FileWithin(const fs::path& folder, const std::string& relative) {
  const fs::path path(relative);
  const bool climbs = std::find(path.begin(), path.end(), "..") != path.end();
  if (path.empty() || path.is_absolute() || climbs) {
    return Fail(ErrorCode::kInvalid, "'{}' names no file within {}", relative, folder.string());
  }
  return folder / path;
}

Result<Inspection> ReadInspection(const FileSystem& files, const fs::path& ensemble_folder, const std::string& file) {
  TUTTI_ASSIGN_OR_RETURN(const fs::path path, FileWithin(ensemble_folder, file));
  Inspection inspection;
  TUTTI_ASSIGN_OR_RETURN(const TensorFile tensors, TensorFile::Read(files, path));
  TUTTI_ASSIGN_OR_RETURN(inspection.labels, ReadIds(tensors, "labels"));
  TUTTI_ASSIGN_OR_RETURN(inspection.report, FindReport(files, path.parent_path() / "events.jsonl"));
  TUTTI_RETURN_IF_ERROR(CheckInspection(inspection, path));
  return inspection;
}

Result<void> WriteSplit(FileSystem& files, const fs::path& ensemble_folder, const StoredSplit& split) {
  const NamedTensor tensors[] = {
      IdTensor("training", split.ids.training),
      IdTensor("validation", split.ids.validation),
      IdTensor("calibration", split.ids.calibration),
      IdTensor("test", split.ids.test),
  };
  const tensors::Metadata metadata = {{"inspection", split.inspection}, {"classes", std::to_string(split.classes)}};
  return WriteTensorsDurably(files, ensemble_folder / kSplitFile, tensors, metadata);
}

Result<StoredSplit> ReadSplit(const FileSystem& files, const fs::path& ensemble_folder) {
  const fs::path path = ensemble_folder / kSplitFile;
  TUTTI_ASSIGN_OR_RETURN(const TensorFile file, TensorFile::Read(files, path));
  StoredSplit split;
  TUTTI_ASSIGN_OR_RETURN(split.ids.training, ReadIds(file, "training"));
  TUTTI_ASSIGN_OR_RETURN(split.ids.validation, ReadIds(file, "validation"));
  TUTTI_ASSIGN_OR_RETURN(split.ids.calibration, ReadIds(file, "calibration"));
  TUTTI_ASSIGN_OR_RETURN(split.ids.test, ReadIds(file, "test"));
  const auto inspection = file.metadata().find("inspection");
  const auto classes = file.metadata().find("classes");
  if (inspection == file.metadata().end() || classes == file.metadata().end()) {
    return Fail(ErrorCode::kCorrupt, "{} does not say which inspection it was drawn from", path.string());
  }
  split.inspection = inspection->second;
  const std::string& digits = classes->second;
  split.classes = ParseWholeNumber<int>(digits).value_or(0);
  if (split.classes < 1) return Fail(ErrorCode::kCorrupt, "{}: '{}' is no number of classes", path.string(), digits);
  return split;
}

Result<std::vector<EnsembleId>> FindForgotten(const FileSystem& files, const fs::path& home, const Records& records) {
  std::vector<EnsembleId> forgotten;
  auto entries = files.List(home);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return forgotten;
  if (!entries) return tl::unexpected(std::move(entries.error()));
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory || !IsValidId(entry.name) || !files.Exists(home / entry.name / kResolvedExperiment))
      continue;
    const EnsembleId id(entry.name);
    if (std::ranges::none_of(records.ensembles, [&](const auto& row) { return row.id == id; })) forgotten.push_back(id);
  }
  return forgotten;
}

Result<void> SetEnsembleFolderAside(FileSystem& files, const fs::path& home, const EnsembleId& id) {
  const auto renamed = files.Rename(home / id.str(), FolderSetAside(home, id));
  if (!renamed && renamed.error().code != ErrorCode::kNotFound) return renamed;
  return files.SyncDirectory(home);
}

bool IsSetAside(std::string_view name) { return name.starts_with(kRemovalPrefix); }

std::vector<EnsembleId> FindSetAside(const FileSystem& files, const fs::path& home) {
  std::vector<EnsembleId> ids;
  const auto entries = files.List(home);
  if (!entries) return ids;
  for (const FileInfo& entry : *entries) {
    if (IsSetAside(entry.name)) ids.emplace_back(entry.name.substr(kRemovalPrefix.size()));
  }
  return ids;
}

Result<void> DeleteSetAside(FileSystem& files, const fs::path& home, const EnsembleId& id) {
  return files.RemoveAll(FolderSetAside(home, id));
}

}  // namespace tutti::server
