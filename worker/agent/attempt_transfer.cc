#include "worker/agent/attempt_transfer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "storage/checkpoints/checkpoint_store.h"
#include "worker/transfer/download.h"
#include "worker/transfer/upload.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

// Beyond this many events wait in their file.
constexpr size_t kMostHeld = 1000;
// That something else arrives than was sent, or nothing that the coordinator understands, may be the network's fault;
// again and again it is ours.
constexpr int kMostMisunderstood = 5;
// While an attempt runs its log is carried in pieces so large, when nothing else is to be carried: who follows it sees
// it grow.
constexpr Duration kBetweenPiecesOfLog = std::chrono::seconds(1);
// Of tries to carry the last of the log, which nothing depends on.
constexpr int kMostTriesOfLog = 3;
constexpr std::string_view kLogName = "log.txt";

bool IsCheckpoint(const protocol::FollowedEvent& followed) {
  return std::holds_alternative<protocol::CheckpointWritten>(followed.event);
}

bool IsProgress(const protocol::FollowedEvent& followed) {
  return std::holds_alternative<protocol::Progress>(followed.event);
}

OutgoingFile EventsUpTo(const protocol::Task& task, int64_t sequence) {
  return {task.events, "events.jsonl", static_cast<uint64_t>(sequence), ""};
}

Error OwnFault(const Error& error) { return {ErrorCode::kInternal, error.Text(), nullptr}; }

// First the files that the last of the events names, then the lines up to it: what reads the coordinator's events finds
// there what they tell of.
Result<void> CarryBatch(Exchange& exchange, const Sender& sender, FileSystem& files, const protocol::Task& task,
                        const protocol::FollowedEvent& last) {
  const auto outgoing = FilesOf(files, task, last.event);
  if (!outgoing) return tl::unexpected<Error>(OwnFault(outgoing.error()));
  for (const OutgoingFile& file : *outgoing) {
    TUTTI_RETURN_IF_ERROR(SendFile(exchange, sender, files, task.attempt, file));
  }
  TUTTI_RETURN_IF_ERROR(SendFile(exchange, sender, files, task.attempt, EventsUpTo(task, last.sequence)));
  const auto* checkpoint = std::get_if<protocol::CheckpointWritten>(&last.event);
  if (checkpoint == nullptr) return {};
  const auto removed = RemoveOlderCheckpoints(files, task.ensemble_folder, task.attempt, checkpoint->step);
  if (!removed) spdlog::warn("older checkpoints of {} stay: {}", task.attempt.job.str(), removed.error().Text());
  return {};
}

Result<void> RemoveCheckpoints(FileSystem& files, const protocol::Task& task) {
  storage::CheckpointStore store(files, task.ensemble_folder);
  TUTTI_ASSIGN_OR_RETURN(const auto contents, store.Inspect(task.attempt));
  for (const auto& found : contents.checkpoints) {
    TUTTI_RETURN_IF_ERROR(store.Remove(task.attempt, found.manifest.step));
  }
  return {};
}

// The rest of the log; then what was predicted is of no more use. The events stay, for a coordinator that comes back.
Result<void> CarryRest(Exchange& exchange, const Sender& sender, FileSystem& files, const protocol::Task& task,
                       AttemptTransfer::Keep keep) {
  const fs::path log = task.folder / kLogName;
  const auto info = files.Stat(log);
  if (info) {
    TUTTI_RETURN_IF_ERROR(
        SendFile(exchange, sender, files, task.attempt, {log, std::string(kLogName), info->size_bytes, ""}));
  }
  (void)files.RemoveAll(task.folder / "predictions");
  if (keep == AttemptTransfer::Keep::kNoCheckpoint) (void)RemoveCheckpoints(files, task);
  return {};
}

}  // namespace

AttemptTransfer::AttemptTransfer(Carriage carriage, FileSystem& files, protocol::Task task,
                                 std::function<void()> changed)
    : carriage_(carriage),
      files_(files),
      task_(std::move(task)),
      changed_(std::move(changed)),
      self_(std::make_shared<AttemptTransfer*>(this)),
      backoff_(carriage.first_backoff) {}

AttemptTransfer::~AttemptTransfer() { *self_ = nullptr; }

void AttemptTransfer::BeginToFetch(SteadyTime now) {
  fetch_ = Fetch::kUnderway;
  fetch_by_ = now + carriage_.fetch_deadline;
  Next(now);
}

bool AttemptTransfer::HasRoom() const { return held_.size() < kMostHeld; }

void AttemptTransfer::Hold(protocol::FollowedEvent event) {
  if (failure_ || abandoned_ || passed_over_.contains(event.sequence)) return;
  held_.push_back(std::move(event));
}

std::vector<protocol::FollowedEvent> AttemptTransfer::TakeArrived() {
  Next(std::chrono::steady_clock::now());
  std::vector<protocol::FollowedEvent> taken(std::make_move_iterator(arrived_.begin()),
                                             std::make_move_iterator(arrived_.end()));
  arrived_.clear();
  return taken;
}

void AttemptTransfer::Restart() {
  held_.clear();
  arrived_.clear();
  again_at_.reset();
  backoff_ = carriage_.first_backoff;
}

void AttemptTransfer::Finish(Keep keep, SteadyTime now) {
  if (std::exchange(finishing_, true)) return;
  keep_ = keep;
  Next(now);
}

void AttemptTransfer::Tick(SteadyTime now) {
  if (fetch_ == Fetch::kUnderway && now >= fetch_by_) {
    fetch_ = Fetch::kGivenUp;
    return;
  }
  Next(now);
}

// One thing is on its way at a time.
void AttemptTransfer::Next(SteadyTime now) {
  while (!held_.empty() && (held_.front().sequence <= carried_ || IsProgress(held_.front()))) {
    arrived_.push_back(std::move(held_.front()));
    held_.pop_front();
  }
  if (underway_ || failure_ || abandoned_ || (again_at_ && now < *again_at_)) return;
  again_at_.reset();
  if (fetch_ == Fetch::kUnderway) return TryFetch();
  if (!held_.empty()) return CarryEvents();
  if (finished_) return;
  if (finishing_) return CarryLast();
  if (fetch_ == Fetch::kDone && now >= log_again_at_) CarryLog(now);
}

void AttemptTransfer::Do(Courier::Work work, std::function<void(SteadyTime)> succeeded) {
  Carry(std::move(work), [this, succeeded = std::move(succeeded)](const Result<void>& outcome, SteadyTime now) {
    if (!outcome) return HandleFailure(outcome.error(), now);
    backoff_ = carriage_.first_backoff;
    failures_in_a_row_ = 0;
    misunderstood_ = 0;
    succeeded(now);
  });
}

void AttemptTransfer::Carry(Courier::Work work, std::function<void(const Result<void>&, SteadyTime)> done) {
  underway_ = true;
  carriage_.courier.Do(std::move(work), [self = self_, done = std::move(done)](const Result<void>& outcome) {
    AttemptTransfer* const transfer = *self;
    if (transfer == nullptr) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    transfer->underway_ = false;
    done(outcome, now);
    transfer->Next(now);
    transfer->changed_();
  });
}

void AttemptTransfer::TryFetch() {
  const auto fetch = [sender = carriage_.sender, &files = files_, task = task_](Exchange& exchange) {
    return FetchInputs(exchange, sender, files, task);
  };
  Do(fetch, [this](SteadyTime) {
    if (fetch_ == Fetch::kUnderway) fetch_ = Fetch::kDone;
  });
}

// Where the trainer is faster than the network, checkpoints that a newer one has overtaken are left out, as if they had
// never been written: what is kept here stays bounded.
void AttemptTransfer::PassOverOldCheckpoints() {
  const auto is_checkpoint = [](const auto& followed) { return IsCheckpoint(followed); };
  for (auto next = std::ranges::find_if(held_, is_checkpoint); next != held_.end();) {
    const auto newer = std::find_if(std::next(next), held_.end(), is_checkpoint);
    if (newer == held_.end()) return;
    passed_over_.insert(next->sequence);
    next = std::find_if(held_.erase(next), held_.end(), is_checkpoint);
  }
}

// Up to the first event that names files: what it names commits what came before.
void AttemptTransfer::CarryEvents() {
  PassOverOldCheckpoints();
  auto last = std::ranges::find_if(held_, [](const auto& followed) { return NamesFiles(followed.event); });
  if (last == held_.end()) --last;
  const auto carry = [sender = carriage_.sender, &files = files_, task = task_, event = *last](Exchange& exchange) {
    return CarryBatch(exchange, sender, files, task, event);
  };
  Do(carry, [this, sequence = last->sequence](SteadyTime) { carried_ = std::max(carried_, sequence); });
}

void AttemptTransfer::CarryLast() {
  const auto carry = [sender = carriage_.sender, &files = files_, task = task_, keep = keep_](Exchange& exchange) {
    return CarryRest(exchange, sender, files, task, keep);
  };
  Do(carry, [this](SteadyTime) { finished_ = true; });
}

// Nothing depends on it: where it fails it is tried again later, without a word.
void AttemptTransfer::CarryLog(SteadyTime now) {
  log_again_at_ = now + kBetweenPiecesOfLog;
  const auto info = files_.Stat(task_.folder / kLogName);
  if (!info || info->size_bytes <= log_carried_) return;
  const uint64_t bytes = std::min(info->size_bytes, log_carried_ + kUploadPiece);
  const auto carry = [sender = carriage_.sender, &files = files_, task = task_, bytes](Exchange& exchange) {
    return SendFile(exchange, sender, files, task.attempt, {task.folder / kLogName, std::string(kLogName), bytes, ""});
  };
  Carry(carry, [this, bytes](const Result<void>& outcome, SteadyTime then) {
    if (outcome) log_carried_ = bytes;
    log_again_at_ = then + (outcome ? kBetweenPiecesOfLog : carriage_.longest_backoff);
  });
}

void AttemptTransfer::HandleFailure(const Error& error, SteadyTime now) {
  last_error_ = error.Text();
  ++failures_in_a_row_;
  if (error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kInvalid) ++misunderstood_;
  const bool is_log = finishing_ && held_.empty() && fetch_ != Fetch::kUnderway;
  if (is_log && failures_in_a_row_ >= kMostTriesOfLog) {
    spdlog::warn("The log of {} stays behind: {}", task_.attempt.str(), last_error_);
    finished_ = true;
    return;
  }
  const bool is_own_fault = error.code == ErrorCode::kInternal || misunderstood_ >= kMostMisunderstood;
  if (is_own_fault && fetch_ != Fetch::kUnderway && !is_log) return GiveUp(error);
  if (failures_in_a_row_ == 1) {
    spdlog::warn("Files of {} wait, and it goes on meanwhile: {}", task_.attempt.str(), last_error_);
  }
  again_at_ = now + backoff_;
  backoff_ = std::min(2 * backoff_, carriage_.longest_backoff);
}

void AttemptTransfer::Abandon() {
  held_.clear();
  arrived_.clear();
  again_at_.reset();
  finishing_ = finished_ = abandoned_ = true;
}

void AttemptTransfer::GiveUp(const Error& error) {
  failure_ = fmt::format("its files cannot be carried to the coordinator: {}", error.Text());
  spdlog::error("{}: {}", task_.attempt.str(), *failure_);
  held_.clear();
  finished_ = true;
}

}  // namespace tutti::worker
