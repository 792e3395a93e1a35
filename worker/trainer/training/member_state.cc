#include "worker/trainer/training/member_state.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

#include "worker/trainer/training/failure.h"
#include "worker/trainer/training/initial_weights.h"

namespace tutti::trainer {
namespace {

Json ToJson(const Normalization& normalization) {
  return {{"mean", normalization.mean}, {"deviation", normalization.deviation}};
}

Result<Normalization> NormalizationFromJson(const Json& json) {
  try {
    return Normalization{json.at("mean").get<std::vector<double>>(), json.at("deviation").get<std::vector<double>>()};
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kCorrupt, "the normalisation is broken: {}", error.what());
  }
}

Json ToJson(const spec::Choice& choice) {
  Json json = {{"name", choice.name}};
  json.update(choice.parameters);
  return json;
}

std::vector<NamedArray> BuffersOf(torch::nn::Module& model) {
  std::vector<NamedArray> buffers;
  for (const auto& buffer : model.named_buffers()) buffers.push_back({buffer.key(), buffer.value()});
  return buffers;
}

std::vector<NamedArray> Clones(const std::vector<NamedArray>& arrays) {
  std::vector<NamedArray> clones;
  clones.reserve(arrays.size());
  for (const NamedArray& array : arrays) clones.push_back({array.name, array.tensor.clone()});
  return clones;
}

void Append(std::vector<NamedArray>& to, const std::string& prefix, std::vector<NamedArray> arrays) {
  for (NamedArray& array : arrays) to.push_back({prefix + array.name, std::move(array.tensor)});
}

}  // namespace

MemberState::MemberState(const protocol::Task& task, const Images& images, Normalization normalization,
                         std::shared_ptr<Model> model)
    : member_(*task.member),
      input_{images.channels(), images.height(), images.width()},
      classes_(task.classes),
      normalization_(std::move(normalization)),
      model_(std::move(model)),
      flat_(*model_),
      buffers_(BuffersOf(*model_)) {}

Result<std::unique_ptr<MemberState>> MemberState::Make(const protocol::Task& task, const Images& images,
                                                       Normalization normalization) {
  const InputShape input{images.channels(), images.height(), images.width()};
  TUTTI_ASSIGN_OR_RETURN(std::shared_ptr<Model> model,
                         MakeModel(task.member->model, input, task.classes, task.member->seed));
  std::unique_ptr<MemberState> state(new MemberState(task, images, std::move(normalization), std::move(model)));
  TUTTI_ASSIGN_OR_RETURN(state->optimizer_, MakeOptimizer(task.member->training.optimizer, state->flat_.values(),
                                                          state->flat_.gradients()));
  return state;
}

MemberState::Kept MemberState::CopyOfModel() const { return {flat_.values().clone(), Clones(buffers_)}; }

std::vector<NamedArray> MemberState::KeptArrays(const Kept& kept) const {
  std::vector<NamedArray> arrays = flat_.ViewsOf(kept.values);
  Append(arrays, "", kept.buffers);
  return arrays;
}

// Under the parameters' names, so that a file does not depend on how the storage is laid out.
std::vector<NamedArray> MemberState::OptimizerArrays(const std::vector<NamedArray>& state) const {
  std::vector<NamedArray> arrays;
  for (const NamedArray& part : state) Append(arrays, "optimizer." + part.name + ".", flat_.ViewsOf(part.tensor));
  return arrays;
}

tensors::Metadata MemberState::ModelMetadata() const {
  return {{"format", "pt"},
          {"model", ToJson(member_.model).dump()},
          {"input", Json({input_.channels, input_.height, input_.width}).dump()},
          {"classes", std::to_string(classes_)},
          {"normalization", ToJson(normalization_).dump()}};
}

Snapshot MemberState::TakeSnapshot(const Position& position) const {
  Snapshot snapshot;
  snapshot.position = position;
  snapshot.model = KeptArrays(CopyOfModel());
  snapshot.model_metadata = ModelMetadata();
  snapshot.training = OptimizerArrays(Clones(optimizer_->State()));
  if (best_ != nullptr) Append(snapshot.training, "best.", KeptArrays(*best_));
  snapshot.training_metadata = {{"position", trainer::ToJson(position).dump()}, {"seed", std::to_string(member_.seed)}};
  return snapshot;
}

Result<void> MemberState::CheckSeed(const tensors::TensorFile& training) const {
  const auto seed = training.metadata().find("seed");
  if (seed != training.metadata().end() && seed->second == std::to_string(member_.seed)) return {};
  return Fail(ErrorCode::kInvalid, "the checkpoint to go on from was not made by this member: its seed is not {}",
              member_.seed);
}

Result<void> MemberState::RestoreModel(const tensors::TensorFile& file) {
  const auto text = file.metadata().find("normalization");
  if (text == file.metadata().end()) return Fail(ErrorCode::kCorrupt, "it tells no normalisation");
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(text->second));
  TUTTI_ASSIGN_OR_RETURN(normalization_, NormalizationFromJson(json));
  return ReadArrays(file, "", ModelArrays());
}

std::vector<NamedArray> MemberState::ModelArrays() const {
  std::vector<NamedArray> arrays = flat_.ViewsOf(flat_.values());
  Append(arrays, "", buffers_);
  return arrays;
}

Result<void> MemberState::BeginWith(const FileSystem& files, const std::filesystem::path& weights) {
  const auto wrong = [&](Error error) {
    return FailBecause(AsBadTask(std::move(error)), "{} cannot begin with the weights {}", member_.name,
                       NameOfWeights(files, weights));
  };
  if (auto whole = CheckCopy(files, weights); !whole) return wrong(std::move(whole.error()));
  auto file = tensors::TensorFile::Read(files, weights);
  if (!file) return wrong(std::move(file.error()));
  const std::vector<NamedArray> arrays = ModelArrays();
  if (auto read = ReadArrays(*file, "", arrays); !read) return wrong(std::move(read.error()));
  for (const std::string& name : file->names()) {
    const auto known = [&](const NamedArray& array) { return array.name == name; };
    if (std::ranges::any_of(arrays, known)) continue;
    return wrong(
        {ErrorCode::kInvalid, fmt::format("the model {} has no tensor '{}'", member_.model.name, name), nullptr});
  }
  return {};
}

Result<Position> MemberState::RestoreTraining(const tensors::TensorFile& file) {
  const auto text = file.metadata().find("position");
  if (text == file.metadata().end()) return Fail(ErrorCode::kCorrupt, "it tells no training position");
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(text->second));
  TUTTI_ASSIGN_OR_RETURN(const Position position, PositionFromJson(json));
  TUTTI_RETURN_IF_ERROR(ReadArrays(file, "", OptimizerArrays(optimizer_->State())));
  optimizer_->SetSteps(position.step);
  best_.reset();
  if (position.best) {
    auto best = std::make_shared<Kept>(CopyOfModel());
    TUTTI_RETURN_IF_ERROR(ReadArrays(file, "best.", KeptArrays(*best)));
    best_ = std::move(best);
  }
  return position;
}

Result<Position> MemberState::Restore(const FileSystem& files, const std::filesystem::path& folder) {
  const auto broken = [&](Error error) {
    return FailBecause(Recoded(std::move(error), ErrorCode::kIo), "cannot go on from the checkpoint {}",
                       folder.string());
  };
  auto model = tensors::TensorFile::Read(files, folder / kModelFile);
  if (!model) return broken(std::move(model.error()));
  auto training = tensors::TensorFile::Read(files, folder / kTrainingFile);
  if (!training) return broken(std::move(training.error()));

  TUTTI_RETURN_IF_ERROR(CheckSeed(*training));
  if (auto read = RestoreModel(*model); !read) return broken(std::move(read.error()));
  auto position = RestoreTraining(*training);
  if (!position) return broken(std::move(position.error()));
  if (auto whole = flat_.CheckViews(); !whole) return tl::unexpected<Error>(std::move(whole.error()));
  return position;
}

void MemberState::KeepAsBest() { best_ = std::make_shared<const Kept>(CopyOfModel()); }

void MemberState::BecomeBest() {
  TUTTI_CHECK(best_ != nullptr);
  flat_.values().copy_(best_->values);
  const torch::NoGradGuard no_gradients;
  for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].tensor.copy_(best_->buffers[i].tensor);
}

}  // namespace tutti::trainer
