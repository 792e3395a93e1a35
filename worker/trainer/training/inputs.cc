#include "worker/trainer/training/inputs.h"

#include <algorithm>
#include <string_view>

#include "common/tensors/tensor_file.h"
#include "worker/trainer/training/failure.h"

namespace tutti::trainer {
namespace {

Result<std::vector<int64_t>> ReadIds(const tensors::TensorFile& file, std::string_view name, int64_t samples) {
  if (std::ranges::find(file.names(), name) == file.names().end()) return std::vector<int64_t>();
  TUTTI_ASSIGN_OR_RETURN(const tensors::TensorView view,
                         file.Get(name, tensors::DType::kI64, std::vector<int64_t>{-1}));
  const auto ids = view.As<int64_t>();
  for (const int64_t id : ids) {
    if (id < 0 || id >= samples) {
      return Fail(ErrorCode::kInvalid, "its {} part names sample {}, but the data have {}", name, id, samples);
    }
  }
  return std::vector<int64_t>(ids.begin(), ids.end());
}

Result<void> CheckTask(const protocol::Task& task) {
  if (!task.member) return Fail(ErrorCode::kInvalid, "the task names no member");
  if (task.shards < 1) return Fail(ErrorCode::kInvalid, "the task's shards are {}; at least 1", task.shards);
  if (task.threads < 1) return Fail(ErrorCode::kInvalid, "the task's threads are {}; at least 1", task.threads);
  if (task.classes < 1) return Fail(ErrorCode::kInvalid, "the task's classes are {}; at least 1", task.classes);
  const spec::TrainingSpec& training = task.member->training;
  if (training.batch_size < 1) {
    return Fail(ErrorCode::kInvalid, "training.batch_size is {}; at least 1", training.batch_size);
  }
  if (task.member->prepare.resize && *task.member->prepare.resize < 1) {
    return Fail(ErrorCode::kInvalid, "prepare.resize is {}; at least 1", *task.member->prepare.resize);
  }
  if (training.length < 1) return Fail(ErrorCode::kInvalid, "training's length is {}; at least 1", training.length);
  if (!(training.checkpoint.every > 0)) return Fail(ErrorCode::kInvalid, "training.checkpoint.every must be above 0");
  return {};
}

Result<void> CheckData(const protocol::Task& task, const Images& images) {
  if (!task.data_hash.empty() && images.data_hash != task.data_hash) {
    return Fail(ErrorCode::kCorrupt,
                "the data at {} have hash {}, but the ensemble was made for {}: they changed since; restore them or "
                "start a new ensemble",
                task.data.path.string(), images.data_hash, task.data_hash);
  }
  if (images.classes > task.classes) {
    return Fail(ErrorCode::kCorrupt, "the data at {} have {} classes, the task says {}", task.data.path.string(),
                images.classes, task.classes);
  }
  return {};
}

Plan PlanOf(const spec::TrainingSpec& training, int64_t samples) {
  Plan plan;
  plan.samples = samples;
  plan.batch_size = training.batch_size;
  plan.steps_per_epoch = (samples + training.batch_size - 1) / training.batch_size;
  const bool in_steps = training.length_unit == spec::TrainingSpec::LengthUnit::kSteps;
  plan.total_steps = in_steps ? training.length : training.length * plan.steps_per_epoch;
  return plan;
}

}  // namespace

Result<SampleIds> ReadSampleIds(const FileSystem& files, const std::filesystem::path& split, int64_t samples) {
  const auto wrong = [&](Error error) {
    return FailBecause(AsBadTask(std::move(error)), "the task's split {} cannot be used", split.string());
  };
  auto file = tensors::TensorFile::Read(files, split);
  if (!file) return wrong(std::move(file.error()));
  SampleIds ids;
  const auto read = [&](std::string_view name, std::vector<int64_t>& into) -> Result<void> {
    TUTTI_ASSIGN_OR_RETURN(into, ReadIds(*file, name, samples));
    return {};
  };
  for (auto [name, into] : {std::pair<std::string_view, std::vector<int64_t>*>{"training", &ids.training},
                            {"validation", &ids.validation},
                            {"calibration", &ids.calibration},
                            {"test", &ids.test}}) {
    if (auto done = read(name, *into); !done) return wrong(std::move(done.error()));
  }
  if (ids.training.empty()) return wrong({ErrorCode::kInvalid, "it has no training samples", nullptr});
  return ids;
}

Result<Inputs> OpenInputs(const FileSystem& files, const protocol::Task& task) {
  TUTTI_RETURN_IF_ERROR(CheckTask(task));
  auto images = OpenImages(task.data, task.member->prepare.resize, task.cache);
  if (!images) return tl::unexpected<Error>(AsBadData(std::move(images.error())));
  TUTTI_RETURN_IF_ERROR(CheckData(task, *images));
  TUTTI_ASSIGN_OR_RETURN(SampleIds ids, ReadSampleIds(files, task.split, images->pixels.size(0)));
  if (task.member->training.predict == spec::TrainingSpec::Predict::kBest && ids.validation.empty()) {
    return Fail(ErrorCode::kInvalid,
                "training.predict is best, but there are no validation samples to tell the best by");
  }
  const Plan plan = PlanOf(task.member->training, static_cast<int64_t>(ids.training.size()));
  return Inputs{std::move(*images), std::move(ids), plan};
}

}  // namespace tutti::trainer
