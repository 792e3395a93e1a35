#include "worker/trainer/training/snapshot.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <span>

namespace tutti::trainer {
namespace {

tensors::DType DTypeOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return tensors::DType::kF32;
    case at::kDouble:
      return tensors::DType::kF64;
    case at::kLong:
      return tensors::DType::kI64;
    case at::kByte:
      return tensors::DType::kU8;
    case at::kBool:
      return tensors::DType::kBool;
    default:
      TUTTI_CHECK(!"a dtype that models hold");
      return tensors::DType::kF32;
  }
}

tensors::TensorView ViewOf(const at::Tensor& tensor) {
  TUTTI_CHECK(tensor.is_contiguous() && tensor.is_cpu());
  return {
      DTypeOf(tensor), tensor.sizes().vec(), {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
}

Result<void> WriteFile(storage::CheckpointStore::Writer& writer, const std::string& name,
                       const std::vector<NamedArray>& arrays, const tensors::Metadata& metadata) {
  TUTTI_ASSIGN_OR_RETURN(auto file, writer.Create(name));
  TUTTI_RETURN_IF_ERROR(WriteArrays(*file, arrays, metadata));
  return file->Close();
}

}  // namespace

Json ToJson(const Position& position) {
  Json json = {{"step", position.step},
               {"epoch_loss_sum", position.epoch_loss_sum},
               {"epoch_samples", position.epoch_samples},
               {"epoch_seconds", position.epoch_seconds},
               {"train_seconds", position.train_seconds}};
  if (position.validation) {
    json["validation"] = {{"loss", position.validation->loss}, {"accuracy", position.validation->accuracy}};
  }
  if (position.best) json["best"] = {{"step", position.best->step}, {"loss", position.best->loss}};
  return json;
}

Result<Position> PositionFromJson(const Json& json) {
  try {
    Position position;
    json.at("step").get_to(position.step);
    json.at("epoch_loss_sum").get_to(position.epoch_loss_sum);
    json.at("epoch_samples").get_to(position.epoch_samples);
    json.at("epoch_seconds").get_to(position.epoch_seconds);
    json.at("train_seconds").get_to(position.train_seconds);
    if (const auto found = json.find("validation"); found != json.end()) {
      position.validation = Score{found->at("loss").get<double>(), found->at("accuracy").get<double>()};
    }
    if (const auto found = json.find("best"); found != json.end()) {
      position.best = Position::Best{found->at("step").get<int64_t>(), found->at("loss").get<double>()};
    }
    return position;
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kCorrupt, "the training position is broken: {}", error.what());
  }
}

Result<storage::FoundCheckpoint> WriteCheckpoint(storage::CheckpointStore& store, const AttemptId& attempt,
                                                 const Snapshot& snapshot) {
  storage::Manifest manifest;
  manifest.attempt = attempt;
  manifest.step = snapshot.position.step;
  manifest.epoch = snapshot.epoch;
  if (snapshot.position.validation) {
    manifest.metrics = {{"validation_loss", snapshot.position.validation->loss},
                        {"validation_accuracy", snapshot.position.validation->accuracy}};
  }
  TUTTI_ASSIGN_OR_RETURN(auto writer, store.Begin(std::move(manifest)));
  TUTTI_RETURN_IF_ERROR(WriteFile(writer, kModelFile, snapshot.model, snapshot.model_metadata));
  TUTTI_RETURN_IF_ERROR(WriteFile(writer, kTrainingFile, snapshot.training, snapshot.training_metadata));
  return writer.Commit();
}

Result<void> WriteArrays(WritableFile& file, const std::vector<NamedArray>& arrays, const tensors::Metadata& metadata) {
  std::vector<tensors::NamedTensor> views;
  views.reserve(arrays.size());
  for (const NamedArray& array : arrays) views.push_back({array.name, ViewOf(array.tensor)});
  // Readers map the file: larger elements first keeps all of them aligned.
  std::ranges::stable_sort(views, std::ranges::greater(),
                           [](const tensors::NamedTensor& view) { return tensors::SizeBytes(view.tensor.dtype); });
  return tensors::WriteSafetensors(file, views, metadata);
}

Result<void> ReadArrays(const tensors::TensorFile& file, const std::string& prefix,
                        const std::vector<NamedArray>& into) {
  for (const NamedArray& array : into) {
    TUTTI_ASSIGN_OR_RETURN(const tensors::TensorView view,
                           file.Get(prefix + array.name, DTypeOf(array.tensor), array.tensor.sizes().vec()));
    TUTTI_CHECK(view.bytes.size() == array.tensor.nbytes() && array.tensor.is_contiguous());
    std::memcpy(array.tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  }
  return {};
}

}  // namespace tutti::trainer
