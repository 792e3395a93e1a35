// Everything of a member that training changes: weights, buffers, the optimizer's memory, the best model so far.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/trainer/data/batches.h"
#include "worker/trainer/data/images.h"
#include "worker/trainer/models/model.h"
#include "worker/trainer/optim/flat_parameters.h"
#include "worker/trainer/optim/optimizer.h"
#include "worker/trainer/training/snapshot.h"

namespace tutti::trainer {

class MemberState {
 public:
  // A fresh member, its weights drawn from its seed. kInvalid: its model or optimizer cannot be built.
  static Result<std::unique_ptr<MemberState>> Make(const protocol::Task& task, const Images& images,
                                                   Normalization normalization);

  Model& model() { return *model_; }
  const FlatParameters& flat() const { return flat_; }
  Optimizer& optimizer() { return *optimizer_; }
  const std::vector<NamedArray>& buffers() const { return buffers_; }
  const Normalization& normalization() const { return normalization_; }

  // Copies; the model's own tensors may change at once.
  Snapshot TakeSnapshot(const Position& position) const;
  // Takes the weights and buffers of a file in place of those that the seed drew. kInvalid: it has not exactly the
  // model's tensors, with the first that is missing, of another shape or type, or unknown; or it is no safetensors
  // file. Errors of the disk stay theirs.
  Result<void> BeginWith(const FileSystem& files, const std::filesystem::path& weights);
  // Becomes what the checkpoint in `folder` holds, its normalisation included, and says where that stood. Errors: kIo
  // whatever is broken in it, since another checkpoint may be whole; kInvalid when it is another member's.
  Result<Position> Restore(const FileSystem& files, const std::filesystem::path& folder);

  // The best model by validation loss, kept beside the one that trains.
  void KeepAsBest();
  void BecomeBest();

 private:
  struct Kept {
    at::Tensor values;
    std::vector<NamedArray> buffers;
  };

  MemberState(const protocol::Task& task, const Images& images, Normalization normalization,
              std::shared_ptr<Model> model);
  std::vector<NamedArray> OptimizerArrays(const std::vector<NamedArray>& state) const;
  std::vector<NamedArray> KeptArrays(const Kept& kept) const;
  Kept CopyOfModel() const;
  Result<void> CheckSeed(const tensors::TensorFile& training) const;
  std::vector<NamedArray> ModelArrays() const;  // the model's own tensors
  Result<void> RestoreModel(const tensors::TensorFile& file);
  Result<Position> RestoreTraining(const tensors::TensorFile& file);
  tensors::Metadata ModelMetadata() const;

  spec::MemberSpec member_;
  InputShape input_;
  int64_t classes_;
  Normalization normalization_;
  std::shared_ptr<Model> model_;
  FlatParameters flat_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<NamedArray> buffers_;
  std::shared_ptr<const Kept> best_;  // never changed once kept: snapshots share it
};

}  // namespace tutti::trainer
