#include "worker/trainer/training/member_training.h"

#include <ATen/Version.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/host_name.h"
#include "worker/trainer/training/predictions.h"
#include "worker/trainer/training/stop_request.h"

namespace tutti::trainer {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::chrono::milliseconds kBetweenProgress(500);

// Places in the tail of the flat gradient: they are summed over ranks with the last bucket.
constexpr int64_t kLossPlace = 0;
constexpr int64_t kStopPlace = 1;

// The default generator draws for dropout; LibTorch's Mersenne Twister takes 32 bits of a seed.
void SeedDefaultGenerator(uint64_t seed) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(seed & 0xffffffff);
}

Normalization DecideNormalization(const protocol::Task& task, const Inputs& inputs) {
  if (task.member->prepare.normalize == spec::PrepareSpec::Normalize::kNone) return {};
  return ComputeNormalization(inputs.images, inputs.ids.training);
}

// Shorter than the others wait for the leader: the rank that a disk holds says so before they call it stuck.
std::chrono::milliseconds LongestWrite(const Collective& collective) { return collective.patience() * 9 / 10; }

Json Provenance(const Collective& collective, const MemberState& state) {
  return {{"libtorch", TORCH_VERSION},
          {"device", "cpu"},
          {"cpu_capability", at::get_cpu_capability()},
          {"host", HostName()},
          {"threads", at::get_num_threads()},
          {"collective", std::string(collective.kind())},
          {"normalization", {{"mean", state.normalization().mean}, {"deviation", state.normalization().deviation}}}};
}

// A training that goes on from its end has no validation before it any more.
Result<void> CheckBestCanBeTold(const spec::TrainingSpec& training, const Position& position, const Plan& plan) {
  if (training.predict != spec::TrainingSpec::Predict::kBest) return {};
  if (position.best || position.step < plan.total_steps) return {};
  return Fail(ErrorCode::kInvalid,
              "training.predict is best, but the checkpoint to go on from ends a training without it: train anew");
}

// A folder that holds later checkpoints belongs to an earlier run of the same attempt.
Result<void> CheckFolderIsOurs(FileSystem& files, const protocol::Task& task, int64_t step) {
  const storage::CheckpointStore store(files, task.ensemble_folder);
  const auto contents = store.Inspect(task.attempt);
  if (!contents) return {};  // nothing there yet
  for (const storage::FoundCheckpoint& found : contents->checkpoints) {
    if (found.manifest.step <= step) continue;
    return Fail(ErrorCode::kInvalid,
                "attempt {} has a checkpoint of step {} already: go on from it (resume_from) or name a new attempt",
                task.attempt.str(), found.manifest.step);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<MemberTraining>> MemberTraining::Make(FileSystem& files, const protocol::Task& task,
                                                             const Inputs& inputs, Collective& collective,
                                                             EventLog& events) {
  const spec::TrainingSpec& training = task.member->training;
  TUTTI_ASSIGN_OR_RETURN(const double rate, BaseLearningRate(training.optimizer));
  TUTTI_ASSIGN_OR_RETURN(LearningRate schedule,
                         MakeSchedule(training.schedule, rate, {inputs.plan.total_steps, inputs.plan.steps_per_epoch}));
  const bool fresh = !task.resume_from;
  TUTTI_ASSIGN_OR_RETURN(
      auto state, MemberState::Make(task, inputs.images, fresh ? DecideNormalization(task, inputs) : Normalization()));
  Position position;
  if (!fresh) {
    TUTTI_ASSIGN_OR_RETURN(position, state->Restore(files, *task.resume_from));
  } else if (task.member->weights) {
    TUTTI_RETURN_IF_ERROR(state->BeginWith(files, *task.member->weights));
  }
  if (position.step > inputs.plan.total_steps) {
    return Fail(ErrorCode::kInvalid, "the checkpoint to go on from is of step {}, but the training ends at {}",
                position.step, inputs.plan.total_steps);
  }
  TUTTI_RETURN_IF_ERROR(CheckBestCanBeTold(training, position, inputs.plan));
  TUTTI_RETURN_IF_ERROR(CheckFolderIsOurs(files, task, position.step));
  std::unique_ptr<MemberTraining> made(
      new MemberTraining(files, task, inputs, collective, events, std::move(state), std::move(schedule)));
  made->position_ = std::move(position);
  if (!fresh && task.resume_from->parent_path() == task.folder) made->checkpoint_step_ = made->position_.step;
  return made;
}

MemberTraining::MemberTraining(FileSystem& files, const protocol::Task& task, const Inputs& inputs,
                               Collective& collective, EventLog& events, std::unique_ptr<MemberState> state,
                               LearningRate learning_rate)
    : files_(files),
      task_(task),
      training_(task.member->training),
      inputs_(inputs),
      collective_(collective),
      events_(events),
      state_(std::move(state)),
      batches_(inputs.images, state_->normalization(), task.member->augment, task.member->seed),
      evaluator_(state_->model(), batches_, collective, task.classes),
      buckets_(state_->flat(), collective),
      learning_rate_(std::move(learning_rate)) {}

Result<TrainingOutcome> MemberTraining::Run() {
  TUTTI_RETURN_IF_ERROR(Begin());
  while (position_.step < inputs_.plan.total_steps) {
    TUTTI_RETURN_IF_ERROR(Step());
    if (!diverged_ && inputs_.plan.EndsEpoch(position_.step)) TUTTI_RETURN_IF_ERROR(EndEpoch());
    if (diverged_) {
      if (checkpoints_) TUTTI_RETURN_IF_ERROR(checkpoints_->Flush());
      return *diverged_;
    }
    if (stop_agreed_ && position_.step < inputs_.plan.total_steps) return Stop();
    if (CheckpointDue()) TUTTI_RETURN_IF_ERROR(Checkpoint());
    TUTTI_RETURN_IF_ERROR(ReportProgress());
  }
  return Finish();
}

Result<void> MemberTraining::Begin() {
  began_ = last_checkpoint_ = last_progress_ = SteadyClock::now();
  protocol::Started started;
  started.step = position_.step;
  started.total_steps = inputs_.plan.total_steps;
  started.steps_per_epoch = inputs_.plan.steps_per_epoch;
  started.world_size = collective_.size();
  started.provenance = Provenance(collective_, *state_);
  if (IsLeader()) {
    TUTTI_RETURN_IF_ERROR(files_.CreateDirectories(task_.folder));
    checkpoints_ = std::make_unique<CheckpointWriter>(files_, task_.ensemble_folder, task_.attempt, events_,
                                                      LongestWrite(collective_));
  }
  return events_.Append(started);
}

void MemberTraining::OpenEpoch(int64_t epoch) {
  if (epoch == open_epoch_) return;
  order_ = EpochOrder(inputs_.ids.training, task_.member->seed, epoch);
  open_epoch_ = epoch;
}

Result<void> MemberTraining::Step() {
  const auto begin = SteadyClock::now();
  collective_.SetStep(position_.step + 1);
  OpenEpoch(inputs_.plan.EpochOf(position_.step));
  const Range batch = inputs_.plan.Batch(position_.step);
  TUTTI_RETURN_IF_ERROR(ComputeGradients(batch));
  const float* const tail = state_->flat().tail().const_data_ptr<float>();
  const double loss = tail[kLossPlace];
  stop_agreed_ = tail[kStopPlace] > 0;
  if (!std::isfinite(loss)) {
    diverged_ = Diverged("the loss", loss, position_.step + 1);
    return {};
  }
  UpdateWeights();
  if (!std::exchange(views_checked_, true)) TUTTI_RETURN_IF_ERROR(state_->flat().CheckViews());

  ++position_.step;
  position_.validation.reset();
  position_.epoch_loss_sum += loss * static_cast<double>(batch.size());
  position_.epoch_samples += batch.size();
  position_.epoch_seconds += Seconds(SteadyClock::now() - begin).count();
  return {};
}

// The shards of this rank that have samples; a small last batch may leave some without.
std::vector<std::pair<int64_t, Range>> MemberTraining::OwnShards(Range batch) const {
  const Range own = PartOf({0, task_.shards}, collective_.rank(), collective_.size());
  std::vector<std::pair<int64_t, Range>> shards;
  for (int64_t index = own.begin; index < own.end; ++index) {
    const Range samples = PartOf(batch, index, task_.shards);
    if (samples.size() > 0) shards.emplace_back(index, samples);
  }
  return shards;
}

// Of the mean loss over the global batch, summed over all ranks. Buffers end as shard 0 leaves them.
Result<void> MemberTraining::ComputeGradients(Range batch) {
  const FlatParameters& flat = state_->flat();
  flat.gradients_with_tail().zero_();
  float* const tail = flat.tail().mutable_data_ptr<float>();
  tail[kStopPlace] = StopRequested() ? 1 : 0;
  state_->model().train();

  const auto shards = OwnShards(batch);
  std::vector<at::Tensor> buffers_of_shard_0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const auto& [shard, samples] = shards[i];
    const at::Tensor loss = ShardLoss(shard, samples, batch);
    tail[kLossPlace] += loss.item<float>();
    if (i + 1 == shards.size()) buckets_.ArmForLastBackward();
    loss.backward();
    if (shard == 0 && shards.size() > 1) {
      for (const NamedArray& buffer : state_->buffers()) buffers_of_shard_0.push_back(buffer.tensor.clone());
    }
  }
  for (size_t i = 0; i < buffers_of_shard_0.size(); ++i) state_->buffers()[i].tensor.copy_(buffers_of_shard_0[i]);
  return buckets_.Finish();
}

// The shard's share of the mean loss over the global batch.
at::Tensor MemberTraining::ShardLoss(int64_t shard, Range samples, Range batch) {
  const std::span<const int64_t> ids =
      std::span(order_).subspan(static_cast<size_t>(samples.begin), static_cast<size_t>(samples.size()));
  const BatchMaker::Batch made = batches_.Training(ids, open_epoch_, samples.begin);
  SeedDefaultGenerator(ShardSeed(task_.member->seed, position_.step, shard));
  const at::Tensor logits = state_->model().Forward(made.inputs);
  return at::cross_entropy_loss(logits, made.labels, {}, at::Reduction::Sum, -100, training_.label_smoothing)
      .div(static_cast<double>(batch.size()));
}

void MemberTraining::UpdateWeights() {
  if (training_.clip_norm) ClipGradients(state_->flat().gradients(), *training_.clip_norm);
  state_->optimizer().Step(learning_rate_(position_.step));
}

Result<void> MemberTraining::EndEpoch() {
  if (!inputs_.ids.validation.empty()) TUTTI_RETURN_IF_ERROR(Validate());
  if (diverged_) return {};
  protocol::EpochDone done;
  done.epoch = static_cast<int>(inputs_.plan.EpochOf(position_.step - 1) + 1);
  done.step = position_.step;
  done.train_loss = MeanLoss();
  if (position_.validation) {
    done.validation_loss = position_.validation->loss;
    done.validation_accuracy = position_.validation->accuracy;
  }
  done.learning_rate = learning_rate_(position_.step - 1);
  done.images_per_second = ImagesPerSecond();
  done.train_seconds = position_.epoch_seconds;
  position_.train_seconds += std::exchange(position_.epoch_seconds, 0);
  position_.epoch_loss_sum = 0;
  position_.epoch_samples = 0;
  return events_.Append(done);
}

Result<void> MemberTraining::Validate() {
  TUTTI_RETURN_IF_ERROR(BroadcastBuffers());
  TUTTI_ASSIGN_OR_RETURN(position_.validation, evaluator_.Evaluate(inputs_.ids.validation));
  if (std::isfinite(position_.validation->loss)) {
    RememberBest();
  } else {
    diverged_ = Diverged("the validation loss", position_.validation->loss, position_.step);
  }
  return {};
}

void MemberTraining::RememberBest() {
  if (training_.predict != spec::TrainingSpec::Predict::kBest) return;
  // Of equal ones the newest, as the coordinator's retention keeps.
  if (position_.best && position_.validation->loss > position_.best->loss) return;
  position_.best = Position::Best{position_.step, position_.validation->loss};
  state_->KeepAsBest();
}

Result<void> MemberTraining::BroadcastBuffers() {
  for (const NamedArray& buffer : state_->buffers()) {
    TUTTI_RETURN_IF_ERROR(collective_.Broadcast(buffer.tensor, /*root=*/0));
  }
  return {};
}

Result<void> MemberTraining::ReportProgress() {
  if (!IsLeader()) return {};
  TUTTI_RETURN_IF_ERROR(checkpoints_->Health());
  const auto now = SteadyClock::now();
  if (now - last_progress_ < kBetweenProgress || position_.epoch_samples == 0) return {};
  last_progress_ = now;
  return events_.Append(
      protocol::Progress{position_.step, inputs_.plan.Epochs(position_.step), MeanLoss(), ImagesPerSecond()});
}

bool MemberTraining::CheckpointDue() const {
  if (!IsLeader()) return false;
  if (position_.best && position_.best->step == position_.step) return true;  // what answers can be loaded
  const spec::CheckpointSpec& policy = training_.checkpoint;
  using Unit = spec::CheckpointSpec::Unit;
  if (policy.unit == Unit::kMinutes) {
    return SteadyClock::now() - last_checkpoint_ >= std::chrono::duration<double, std::ratio<60>>(policy.every);
  }
  const double steps =
      policy.every * static_cast<double>(policy.unit == Unit::kSteps ? 1 : inputs_.plan.steps_per_epoch);
  return position_.step % std::max<int64_t>(1, std::llround(steps)) == 0;
}

Result<void> MemberTraining::Checkpoint() {
  last_checkpoint_ = SteadyClock::now();
  checkpoint_step_ = position_.step;
  return checkpoints_->Write([this] {
    Snapshot snapshot = state_->TakeSnapshot(position_);
    snapshot.epoch = inputs_.plan.Epochs(position_.step);
    return snapshot;
  });
}

// The model as it is now is committed in this attempt's folder once the writer is flushed.
Result<void> MemberTraining::BeginFinalCheckpoint() {
  if (!IsLeader() || checkpoint_step_ == position_.step) return {};
  return Checkpoint();
}

Result<TrainingOutcome> MemberTraining::Stop() {
  TUTTI_RETURN_IF_ERROR(BeginFinalCheckpoint());
  if (IsLeader()) TUTTI_RETURN_IF_ERROR(checkpoints_->Flush());
  TUTTI_RETURN_IF_ERROR(events_.AppendDurably(protocol::StoppedEarly{position_.step}));
  return TrainingStopped{};
}

Result<TrainingOutcome> MemberTraining::Finish() {
  TUTTI_RETURN_IF_ERROR(BeginFinalCheckpoint());
  TUTTI_RETURN_IF_ERROR(BroadcastBuffers());
  TUTTI_RETURN_IF_ERROR(Predict());  // while the checkpoint is being written
  if (IsLeader()) TUTTI_RETURN_IF_ERROR(checkpoints_->Flush());
  const double seconds = Seconds(SteadyClock::now() - began_).count();
  TUTTI_RETURN_IF_ERROR(events_.AppendDurably(protocol::Finished{position_.step, position_.train_seconds, seconds}));
  return TrainingFinished{};
}

Result<void> MemberTraining::Predict() {
  const bool best = training_.predict == spec::TrainingSpec::Predict::kBest;
  const std::string predictor = best ? "best" : "last";
  int64_t step = position_.step;
  if (best) {
    TUTTI_CHECK(position_.best);  // each training ends with a validation
    state_->BecomeBest();
    step = position_.best->step;
  }
  TUTTI_RETURN_IF_ERROR(PredictSplit(predictor, Split::kValidation, inputs_.ids.validation, step));
  TUTTI_RETURN_IF_ERROR(PredictSplit(predictor, Split::kCalibration, inputs_.ids.calibration, step));
  return PredictSplit(predictor, Split::kTest, inputs_.ids.test, step);
}

Result<void> MemberTraining::PredictSplit(const std::string& predictor, Split split, const std::vector<int64_t>& ids,
                                          int64_t step) {
  if (ids.empty()) return {};
  TUTTI_ASSIGN_OR_RETURN(const at::Tensor logits, evaluator_.Logits(ids));
  if (!IsLeader()) return {};
  const std::filesystem::path path = PredictionsFile(task_.folder, predictor, split);
  TUTTI_ASSIGN_OR_RETURN(std::string hash, WritePredictions(files_, path, logits, ids));
  return events_.AppendDurably(protocol::PredictionsWritten{predictor, split,
                                                            path.lexically_relative(task_.ensemble_folder).string(),
                                                            std::ssize(ids), step, std::move(hash)});
}

TrainingDiverged MemberTraining::Diverged(std::string_view what, double loss, int64_t step) const {
  return {fmt::format("diverged: {} is {} at step {} (epoch {}); lower training.optimizer.lr or set training.clip_norm",
                      what, loss, step, inputs_.plan.EpochOf(step - 1) + 1)};
}

double MemberTraining::MeanLoss() const {
  return position_.epoch_loss_sum / static_cast<double>(std::max<int64_t>(1, position_.epoch_samples));
}

double MemberTraining::ImagesPerSecond() const {
  return position_.epoch_seconds > 0 ? static_cast<double>(position_.epoch_samples) / position_.epoch_seconds : 0;
}

}  // namespace tutti::trainer
