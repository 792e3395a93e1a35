#include "coordinator/server/combine.h"

#include <algorithm>
#include <set>
#include <span>
#include <tuple>

#include "common/tensors/tensor_file.h"
#include "coordinator/server/ensemble_files.h"
#include "storage/checkpoints/predictions.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using tensors::DType;
using tensors::TensorFile;

constexpr Split kReported[] = {Split::kValidation, Split::kTest};

bool IsNewer(const PredictionRecord& one, const PredictionRecord& other) {
  return std::tuple(one.attempt.number, one.step) > std::tuple(other.attempt.number, other.step);
}

Result<ensemble::Labels> LabelsOf(const std::vector<int64_t>& ids, const std::vector<int64_t>& labels) {
  ensemble::Labels chosen;
  chosen.ids = ids;
  chosen.labels.reserve(ids.size());
  for (const int64_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= labels.size()) {
      return Fail(ErrorCode::kCorrupt, "the split names sample {}, but the data has {}", id, labels.size());
    }
    chosen.labels.push_back(labels[static_cast<size_t>(id)]);
  }
  return chosen;
}

Result<std::map<Split, ensemble::Labels>> ReadLabels(const FileSystem& files, const fs::path& folder,
                                                     const StoredSplit& split) {
  TUTTI_ASSIGN_OR_RETURN(const Inspection inspection, ReadInspection(files, folder, split.inspection));
  std::map<Split, ensemble::Labels> labels;
  if (!split.ids.validation.empty()) {
    TUTTI_ASSIGN_OR_RETURN(labels[Split::kValidation], LabelsOf(split.ids.validation, inspection.labels));
  }
  if (!split.ids.test.empty()) {
    TUTTI_ASSIGN_OR_RETURN(labels[Split::kTest], LabelsOf(split.ids.test, inspection.labels));
  }
  return labels;
}

Result<ensemble::Predictions> PredictionsIn(const TensorFile& file) {
  constexpr int64_t kAnyShape[] = {-1, -1};
  TUTTI_ASSIGN_OR_RETURN(const auto logits, file.Get("logits", DType::kF32, kAnyShape));
  const int64_t samples[] = {logits.shape[0]};
  TUTTI_ASSIGN_OR_RETURN(const auto ids, file.Get("ids", DType::kI64, samples));
  ensemble::Predictions predictions;
  predictions.ids.assign(ids.As<int64_t>().begin(), ids.As<int64_t>().end());
  predictions.logits = Eigen::Map<const ensemble::Logits>(logits.As<float>().data(), logits.shape[0], logits.shape[1]);
  return predictions;
}

Result<ensemble::Predictions> ReadRecorded(const FileSystem& files, const fs::path& folder,
                                           const PredictionRecord& record) {
  TUTTI_ASSIGN_OR_RETURN(const fs::path path, FileWithin(folder, record.file));
  TUTTI_ASSIGN_OR_RETURN(const TensorFile file, storage::ReadPredictions(files, path, record));
  return PredictionsIn(file);
}

Result<ensemble::MemberInput> ReadMember(const FileSystem& files, const fs::path& folder,
                                         const ChosenPredictor& chosen) {
  ensemble::MemberInput member;
  member.name = chosen.name;
  for (const auto& [split, record] : chosen.predictions) {
    auto predictions = ReadRecorded(files, folder, record);
    if (!predictions) {
      return FailBecause(std::move(predictions.error()), "the predictions of {} on {} cannot be used", chosen.name,
                         Name(split));
    }
    member.predictions[split] = std::move(*predictions);
  }
  return member;
}

Result<ensemble::ReportInput> ReadInput(const FileSystem& files, const CombineRequest& request) {
  TUTTI_ASSIGN_OR_RETURN(const StoredSplit split, ReadSplit(files, request.folder));
  ensemble::ReportInput input;
  input.classes = split.classes;
  input.combiner = request.spec.combiner.name;
  input.members_total = static_cast<int>(request.spec.members.size());
  TUTTI_ASSIGN_OR_RETURN(input.labels, ReadLabels(files, request.folder, split));
  for (const ChosenPredictor& chosen : ChoosePredictions(request.predictions, request.spec)) {
    TUTTI_ASSIGN_OR_RETURN(ensemble::MemberInput member, ReadMember(files, request.folder, chosen));
    input.members.push_back(std::move(member));
  }
  return input;
}

Result<void> WriteAnswer(FileSystem& files, const fs::path& folder, const ensemble::ReportInput& input, Split split) {
  TUTTI_ASSIGN_OR_RETURN(const ensemble::Combination combination, ensemble::CombineSplit(input, split));
  const ensemble::Logits shares = combination.shares.cast<float>();
  const std::vector<int64_t>& ids = input.labels.at(split).ids;
  const tensors::NamedTensor tensors[] = {
      {"ids", tensors::ViewOf<int64_t>(DType::kI64, {static_cast<int64_t>(ids.size())}, ids)},
      {"probabilities", tensors::ViewOf<float>(DType::kF32, {shares.rows(), shares.cols()},
                                               {shares.data(), static_cast<size_t>(shares.size())})},
  };
  return WriteTensorsDurably(files, folder / fmt::format("{}.safetensors", Name(split)), tensors,
                             {{"combiner", input.combiner}});
}

Json ResultsDocument(const EnsembleId& id, const ensemble::EnsembleReport& report) {
  Json document = {{"ensemble", id.str()}};
  document.update(ensemble::ToJson(report));
  return document;
}

}  // namespace

std::vector<ChosenPredictor> ChoosePredictions(const std::vector<PredictionRecord>& predictions,
                                               const spec::EnsembleSpec& spec) {
  std::map<std::string, std::map<std::string, std::map<Split, PredictionRecord>>> by_member;
  for (const PredictionRecord& record : predictions) {
    auto& slots = by_member[record.attempt.job.name][record.predictor];
    const auto [slot, fresh] = slots.try_emplace(record.split, record);
    if (!fresh && IsNewer(record, slot->second)) slot->second = record;
  }
  std::vector<ChosenPredictor> chosen;
  for (const spec::MemberSpec& member : spec.members) {
    const auto found = by_member.find(member.name);
    if (found == by_member.end()) continue;
    for (const auto& [predictor, splits] : found->second) {
      chosen.push_back({found->second.size() == 1 ? member.name : member.name + "/" + predictor, splits});
    }
  }
  return chosen;
}

Result<ensemble::Predictions> ReadPredictions(const FileSystem& files, const fs::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const TensorFile file, TensorFile::Read(files, path));
  return PredictionsIn(file);
}

std::vector<JobId> FindLost(const FileSystem& files, const CombineRequest& request) {
  std::set<JobId> lost;
  for (const PredictionRecord& record : request.predictions) {
    const auto read = ReadRecorded(files, request.folder, record);
    const bool gone = !read && (read.error().code == ErrorCode::kNotFound || read.error().code == ErrorCode::kCorrupt);
    if (gone) lost.insert(record.attempt.job);
  }
  return {lost.begin(), lost.end()};
}

Result<void> CombineMembers(FileSystem& files, const CombineRequest& request) {
  TUTTI_ASSIGN_OR_RETURN(const ensemble::ReportInput input, ReadInput(files, request));
  TUTTI_ASSIGN_OR_RETURN(const ensemble::EnsembleReport report, ensemble::Evaluate(input));
  const fs::path answers = request.folder / "ensemble";
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(answers));
  for (const Split split : kReported) {
    if (input.labels.contains(split)) TUTTI_RETURN_IF_ERROR(WriteAnswer(files, answers, input, split));
  }
  TUTTI_RETURN_IF_ERROR(WriteFileDurably(files, request.folder / "results.csv", ensemble::ToCsv(report)));
  return WriteFileDurably(files, request.folder / "results.json", ResultsDocument(request.id, report).dump(2) + "\n");
}

}  // namespace tutti::server
