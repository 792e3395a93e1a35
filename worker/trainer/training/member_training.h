// The training of one member, from its start or a checkpoint to its predictions.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/trainer/data/batches.h"
#include "worker/trainer/optim/schedule.h"
#include "worker/trainer/parallel/buckets.h"
#include "worker/trainer/parallel/collective.h"
#include "worker/trainer/training/checkpoint_writer.h"
#include "worker/trainer/training/evaluation.h"
#include "worker/trainer/training/event_log.h"
#include "worker/trainer/training/inputs.h"
#include "worker/trainer/training/member_state.h"

namespace tutti::trainer {

// How a training ended that no error ended; every rank agrees.
struct TrainingFinished {};
struct TrainingStopped {};  // asked to, after its checkpoint
struct TrainingDiverged {
  std::string what;  // "the loss is nan at step 3 (epoch 1): ..."
};
using TrainingOutcome = std::variant<TrainingFinished, TrainingStopped, TrainingDiverged>;

// Each global batch is cut into the task's shards, each with its own batch-norm batch and its own generator, and a rank
// computes one or more of them in turn: how many ranks there are changes rounding alone. Rank 0 has shard 0, whose
// batches alone move running statistics, writes all files, and says all events.
class MemberTraining {
 public:
  // Builds the member, restores the checkpoint that the task goes on from. The references outlive it.
  static Result<std::unique_ptr<MemberTraining>> Make(FileSystem& files, const protocol::Task& task,
                                                      const Inputs& inputs, Collective& collective, EventLog& events);

  // The whole training. Says all events but Failed.
  Result<TrainingOutcome> Run();

 private:
  using SteadyClock = std::chrono::steady_clock;

  MemberTraining(FileSystem& files, const protocol::Task& task, const Inputs& inputs, Collective& collective,
                 EventLog& events, std::unique_ptr<MemberState> state, LearningRate learning_rate);

  Result<void> Begin();

  // One update of the weights; counts it.
  Result<void> Step();
  Result<void> ComputeGradients(Range batch);
  std::vector<std::pair<int64_t, Range>> OwnShards(Range batch) const;
  at::Tensor ShardLoss(int64_t shard, Range samples, Range batch);
  void UpdateWeights();
  void OpenEpoch(int64_t epoch);

  Result<void> EndEpoch();
  Result<void> Validate();
  void RememberBest();
  Result<void> BroadcastBuffers();
  Result<void> ReportProgress();

  bool CheckpointDue() const;
  Result<void> Checkpoint();
  Result<void> BeginFinalCheckpoint();
  Result<TrainingOutcome> Stop();
  Result<TrainingOutcome> Finish();
  Result<void> Predict();
  Result<void> PredictSplit(const std::string& predictor, Split split, const std::vector<int64_t>& ids, int64_t step);
  TrainingDiverged Diverged(std::string_view what, double loss, int64_t step) const;

  double ImagesPerSecond() const;  // of the epoch that is under way
  double MeanLoss() const;
  bool IsLeader() const { return collective_.rank() == 0; }

  FileSystem& files_;
  const protocol::Task& task_;
  const spec::TrainingSpec& training_;
  const Inputs& inputs_;
  Collective& collective_;
  EventLog& events_;
  std::unique_ptr<MemberState> state_;
  BatchMaker batches_;
  Evaluator evaluator_;
  GradientBuckets buckets_;
  LearningRate learning_rate_;
  std::unique_ptr<CheckpointWriter> checkpoints_;  // the leader's

  Position position_;
  int64_t open_epoch_ = -1;
  std::vector<int64_t> order_;  // of the open epoch
  bool views_checked_ = false;
  bool stop_agreed_ = false;
  std::optional<TrainingDiverged> diverged_;
  std::optional<int64_t> checkpoint_step_;  // of the newest in this attempt's folder
  SteadyClock::time_point began_, last_checkpoint_, last_progress_;
};

}  // namespace tutti::trainer
