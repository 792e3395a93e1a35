#include "worker/agent/led_attempt.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "common/hash.h"
#include "common/json.h"
#include "worker/launch/environment.h"
#include "worker/launch/trainer_command.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

// A request that comes before a trainer listens is lost. Until its first event, which shows that it does, it is
// repeated.
constexpr auto kAskAgain = std::chrono::seconds(1);
// In a row, one at each look for events: then the attempt ends without what could not be read.
constexpr int kMostFailedReads = 50;

// The coordinator has written it before; by hand, or after a restored folder, it may be missing.
Result<void> EnsureTaskFile(FileSystem& files, const protocol::Task& task) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(task.folder));
  const fs::path path = task.folder / "task.json";
  if (files.Exists(path)) return {};
  return WriteFileDurably(files, path, protocol::ToJson(task).dump(2) + "\n");
}

// A trainer appends: were there events of an earlier start already, they would be taken for its own.
Result<void> RefuseSecondStart(const FileSystem& files, const protocol::Task& task) {
  const Result<FileInfo> info = files.Stat(task.events);
  if (info && info->size_bytes > 0) {
    return Fail(ErrorCode::kExists, "{} was started before: {} is not empty", task.attempt.str(), task.events.string());
  }
  return {};
}

// `hosts` may name none where all are here.
std::vector<GangPart> PartsOf(const std::vector<SlotId>& gang, const std::vector<std::string>& hosts) {
  std::vector<GangPart> parts;
  for (size_t rank = 0; rank < gang.size(); ++rank) {
    const SlotId& slot = gang[rank];
    if (parts.empty() || parts.back().worker != slot.worker) {
      parts.push_back({slot.worker, 0, rank < hosts.size() ? hosts[rank] : ""});
    }
    ++parts.back().ranks;
  }
  return parts;
}

bool SaysWhy(std::string_view line) { return line.starts_with("tutti-trainer:") || line.starts_with("tutti rank "); }

bool HasALetter(std::string_view line) {
  return std::ranges::any_of(line, [](unsigned char c) { return std::isalpha(c) != 0; });
}

// Where mpirun begins to tell, between rules of dashes, that a rank has failed.
bool BeginsTheFooter(std::string_view line) {
  return line.starts_with("Primary job ") || line.starts_with("mpirun detected that") ||
         line.starts_with("mpirun noticed that");
}

// What the ranks said stands before mpirun's footer, and is to be the last line.
std::string UpToTheReason(const std::string& lines) {
  size_t end_of_reason = 0, end_of_words = 0;
  bool in_footer = false;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t newline = std::min(lines.find('\n', begin), lines.size() - 1);
    const std::string_view line = std::string_view(lines).substr(begin, newline + 1 - begin);
    begin = newline + 1;
    if (SaysWhy(line)) end_of_reason = begin;
    in_footer = in_footer || BeginsTheFooter(line);
    if (HasALetter(line) && !in_footer) end_of_words = begin;
  }
  return lines.substr(0, end_of_reason > 0 ? end_of_reason : end_of_words);
}

}  // namespace

std::vector<int> SlotsOf(const WorkerId& worker, const std::vector<SlotId>& gang) {
  std::vector<int> slots;
  for (const SlotId& slot : gang) {
    if (slot.worker == worker) slots.push_back(slot.index);
  }
  return slots;
}

Result<void> CheckGang(const protocol::StartAttempt& start, const WorkerId& leader, const std::string& host,
                       Launcher launcher) {
  if (start.gang.empty() || start.gang.front().worker != leader) {
    return Fail(ErrorCode::kInvalid, "the worker {} was told to lead a gang whose rank 0 it has no slot for", leader);
  }
  for (size_t rank = 0; rank < start.gang.size(); ++rank) {
    const WorkerId& worker = start.gang[rank].worker;
    if (worker == leader) continue;
    const std::string other = rank < start.hosts.size() ? start.hosts[rank] : "";
    if (other.empty()) return Fail(ErrorCode::kInvalid, "the worker {} of its gang is away", worker);
    if (other == host || launcher != Launcher::kLocal) continue;
    return Fail(ErrorCode::kInvalid, "a gang stays on one machine: the worker {} is on {}, {} on {}", leader, host,
                worker, other);
  }
  return {};
}

LedAttempt::LedAttempt(AttemptSurroundings surroundings, protocol::Task task, std::vector<SlotId> gang,
                       std::vector<std::string> hosts)
    : surroundings_(std::move(surroundings)),
      task_(std::move(task)),
      gang_(std::move(gang)),
      hosts_(std::move(hosts)),
      slots_(SlotsOf(surroundings_.settings.worker, gang_)),
      events_(surroundings_.files, task_.events) {
  if (surroundings_.carriage == nullptr) return;
  transfer_ =
      std::make_unique<AttemptTransfer>(*surroundings_.carriage, surroundings_.files, task_, surroundings_.changed);
}

LedAttempt::~LedAttempt() {
  if (gone()) return;
  surroundings_.ranks.Fence(id());
  surroundings_.ranks.Kill(id());
}

void LedAttempt::Launch() { transfer_ ? transfer_->BeginToFetch(std::chrono::steady_clock::now()) : LaunchNow(); }

void LedAttempt::LaunchNow() {
  const Result<void> launched = TryLaunch();
  if (!launched) {
    RemoveLauncherFolder();
    return RefuseToStart(launched.error().Text());
  }
  phase_ = Phase::kRunning;
  if (is_gang()) start_by_ = std::chrono::steady_clock::now() + surroundings_.settings.start_deadline;
  spdlog::debug("Started {} as process {}", id().str(), process_->pid());
}

void LedAttempt::RefuseToStart(std::string reason) {
  spdlog::warn("Cannot start {}: {}", id().str(), reason);
  start_error_ = std::move(reason);
  phase_ = Phase::kGone;
  if (transfer_) transfer_->Abandon();
}

Result<void> LedAttempt::TryLaunch() {
  FileSystem& files = surroundings_.files;
  TUTTI_RETURN_IF_ERROR(EnsureTaskFile(files, task_));
  TUTTI_RETURN_IF_ERROR(RefuseSecondStart(files, task_));
  TUTTI_ASSIGN_OR_RETURN(Command command, MakeCommand());
  TUTTI_ASSIGN_OR_RETURN(LogFile log,
                         LogFile::Open(files, task_.folder / "log.txt", surroundings_.settings.log_limit_bytes));
  Supervision::Handlers handlers{[this](int exit_code) { HandleExit(exit_code); }, [this] { HandleGroupGone(); }};
  TUTTI_ASSIGN_OR_RETURN(process_, Supervision::Start(surroundings_.context, surroundings_.spawner, std::move(command),
                                                      std::move(log), std::move(handlers)));
  return {};
}

Result<Command> LedAttempt::MakeCommand() const {
  const LaunchSettings& settings = surroundings_.settings;
  TUTTI_ASSIGN_OR_RETURN(std::vector<std::string> arguments, TrainerArguments(settings.trainer, task_));
  Command command;
  if (is_gang()) {
    const fs::path wanted = settings.launcher == Launcher::kSrun ? fs::path("srun") : settings.mpirun;
    TUTTI_ASSIGN_OR_RETURN(const fs::path program, FindProgram(wanted, CurrentEnvironment()));
    TUTTI_RETURN_IF_ERROR(surroundings_.files.CreateDirectories(LauncherFolder()));
    command = GangCommand({program, settings.tutti, settings.home, settings.meeting_folder, LauncherFolder(), id(),
                           PartsOf(gang_, hosts_), settings.inventory.threads_per_slot, settings.launcher});
  } else {
    command = SoloCommand(std::move(arguments), settings.inventory.ShareOf(slots_.front()));
  }
  command.folder = settings.home;
  return command;
}

// Short, since sockets lie in it: their paths are bounded.
fs::path LedAttempt::LauncherFolder() const {
  return surroundings_.settings.runtime_folder / HashText(id().str()).substr(0, 12);
}

Result<RankOrders> LedAttempt::Admit(int rank) {
  const LaunchSettings& settings = surroundings_.settings;
  if (phase_ != Phase::kRunning || stop_ == Stop::kKill) {
    return Fail(ErrorCode::kCancelled, "{} has been ended", id().str());
  }
  if (rank < 0 || rank >= static_cast<int>(gang_.size())) {
    return Fail(ErrorCode::kInvalid, "{} has {} ranks, none is number {}", id().str(), gang_.size(), rank);
  }
  const SlotId& slot = gang_[static_cast<size_t>(rank)];
  if (slot.worker != settings.worker) {
    return Fail(ErrorCode::kInvalid, "rank {} of {} runs on the worker {}", rank, id().str(), slot.worker.str());
  }
  TUTTI_ASSIGN_OR_RETURN(std::vector<std::string> arguments, TrainerArguments(settings.trainer, task_));
  came_.insert(rank);
  if (came_.size() == slots_.size()) start_by_.reset();
  const SlotShare share = settings.inventory.ShareOf(slot.index);
  return RankOrders{std::move(arguments), ForTrainer({}, share), share.cpus};
}

void LedAttempt::RequestCheckpoint(SteadyTime now) {
  if (phase_ == Phase::kNew) return RefuseToStart("it was stopped before it was started");
  if (phase_ != Phase::kRunning || stop_ != Stop::kNone) return;
  // An inspection has nothing to keep.
  if (task_.kind == JobKind::kInspect) return Kill(now);
  stop_ = Stop::kCheckpoint;
  kill_at_ = now + surroundings_.settings.checkpoint_deadline;
  ask_at_ = now;
  AskIfDue(now);
}

// A rank takes signals from its hello on: before, one would end it. That those elsewhere have come too shows in the
// first event, which a trainer writes when all of its gang are there.
bool LedAttempt::TakesSignals() const {
  if (!is_gang()) return true;
  if (surroundings_.ranks.Connected(id()) < static_cast<int>(slots_.size())) return false;
  if (slots_.size() == gang_.size()) return true;
  const Result<FileInfo> events = surroundings_.files.Stat(task_.events);
  return events && events->size_bytes > 0;
}

void LedAttempt::AskIfDue(SteadyTime now) {
  if (!ask_at_ || now < *ask_at_ || phase_ != Phase::kRunning || stop_ != Stop::kCheckpoint) return;
  if (!TakesSignals()) return;
  process_->Signal(SIGUSR1);
  ask_at_.reset();
  if (!listens_) ask_at_ = now + kAskAgain;
}

void LedAttempt::Discard(SteadyTime now) {
  if (transfer_) transfer_->Abandon();
  Kill(now);
}

void LedAttempt::Kill(SteadyTime now) {
  if (phase_ == Phase::kNew) return RefuseToStart("it was stopped before it was started");
  if (gone() || stop_ == Stop::kKill) return;
  stop_ = Stop::kKill;
  start_by_.reset();
  kill_at_.reset();
  force_at_ = now + surroundings_.settings.kill_deadline;
  surroundings_.ranks.Fence(id());
  // mpirun ends by itself once its ranks have, and leaves nothing in shared memory and temporary folders.
  if (!is_gang() || surroundings_.ranks.Connected(id()) == 0) process_->KillGroup();
}

// Starts it once its inputs have come, and ends it when what it writes can never arrive.
void LedAttempt::TickTransfer(SteadyTime now) {
  using Fetch = AttemptTransfer::Fetch;
  transfer_->Tick(now);
  if (phase_ == Phase::kNew && transfer_->fetch() == Fetch::kDone) LaunchNow();
  if (phase_ == Phase::kNew && transfer_->fetch() == Fetch::kGivenUp) {
    RefuseToStart("what it needs cannot be fetched from the coordinator: " + transfer_->last_error());
  }
  if (phase_ == Phase::kRunning && transfer_->failure()) Kill(now);
}

void LedAttempt::Tick(SteadyTime now) {
  if (transfer_) TickTransfer(now);
  AskIfDue(now);
  if (start_by_ && now >= *start_by_) GiveUpStart(now);
  if (kill_at_ && now >= *kill_at_) {
    spdlog::warn("{} did not end within its checkpoint deadline: it is killed", id().str());
    Kill(now);
  }
  if (force_at_ && now >= *force_at_) {
    force_at_.reset();
    process_->KillGroup();
    surroundings_.ranks.Kill(id());
  }
}

// A launcher that starts nothing, or not everything, would wait for ever, and its ranks for each other.
void LedAttempt::GiveUpStart(SteadyTime now) {
  start_error_ =
      fmt::format("{} of its {} ranks came up within {} s; its log may say why: {}", came_.size(), slots_.size(),
                  std::chrono::duration_cast<std::chrono::seconds>(surroundings_.settings.start_deadline).count(),
                  (task_.folder / "log.txt").string());
  spdlog::warn("{} is killed: {}", id().str(), *start_error_);
  Kill(now);
}

void LedAttempt::HandleExit(int exit_code) {
  exit_code_ = exit_code;
  last_log_lines_ = process_->LastLogLines();
  if (is_gang() && exit_code != 0) last_log_lines_ = UpToTheReason(last_log_lines_);
  phase_ = Phase::kExited;
  start_by_.reset();
  kill_at_.reset();
  if (!force_at_) force_at_ = std::chrono::steady_clock::now() + surroundings_.settings.kill_deadline;
  surroundings_.ranks.Fence(id());
  spdlog::debug("{} ended with exit code {}", id().str(), exit_code);
}

void LedAttempt::HandleGroupGone() {
  group_gone_ = true;
  BecomeGoneIfAllAre();
}

void LedAttempt::HandleRanksGone() { BecomeGoneIfAllAre(); }

void LedAttempt::BecomeGoneIfAllAre() {
  if (phase_ != Phase::kExited || !group_gone_ || surroundings_.ranks.Connected(id()) > 0) return;
  phase_ = Phase::kGone;
  force_at_.reset();
  RemoveLauncherFolder();
  surroundings_.changed();
}

void LedAttempt::RemoveLauncherFolder() {
  if (!is_gang()) return;
  const Result<void> removed = surroundings_.files.RemoveAll(LauncherFolder());
  if (!removed) spdlog::warn("Cannot clean up after {}: {}", id().str(), removed.error().Text());
}

void LedAttempt::Report(const Tell& tell) {
  if (told_ == Told::kAll || phase_ == Phase::kNew) return;
  if (start_error_) {
    if (gone()) ReportEnd(tell);
    return;
  }
  if (told_ == Told::kNothing) {
    tell(protocol::AttemptStarted{id()});
    told_ = Told::kStarted;
  }
  ReportEvents(tell);
  if (gone() && AllIsSaid()) ReportEnd(tell);
}

bool LedAttempt::AllIsSaid() const {
  const bool all_read = failed_reads_ == 0 ? events_.at_end() : failed_reads_ >= kMostFailedReads;
  if (!transfer_ || !all_read) return all_read;
  using Keep = AttemptTransfer::Keep;
  const Keep keep = exit_code_ == protocol::kExitFinished ? Keep::kNoCheckpoint : Keep::kNewestCheckpoint;
  if (transfer_->IsEmpty()) transfer_->Finish(keep, std::chrono::steady_clock::now());
  return transfer_->finished();
}

void LedAttempt::ReportEvents(const Tell& tell) {
  if (!transfer_ || transfer_->HasRoom()) ReadEvents(tell);
  if (!transfer_) return;
  for (protocol::FollowedEvent& followed : transfer_->TakeArrived()) {
    tell(protocol::AttemptEvent{id(), followed.sequence, std::move(followed.event)});
  }
}

void LedAttempt::ReadEvents(const Tell& tell) {
  Result<std::vector<protocol::FollowedEvent>> events = events_.Next();
  if (!events) {
    spdlog::warn("Cannot read the events of {}: {}", id().str(), events.error().Text());
    ++failed_reads_;
    return;
  }
  failed_reads_ = 0;
  for (protocol::FollowedEvent& followed : *events) {
    if (transfer_) {
      if (auto* failed = std::get_if<protocol::Failed>(&followed.event)) failed->error = WithCure(failed->error);
      transfer_->Hold(std::move(followed));
    } else {
      tell(protocol::AttemptEvent{id(), followed.sequence, std::move(followed.event)});
    }
  }
  if (events->empty() || listens_) return;
  listens_ = true;
  if (stop_ == Stop::kCheckpoint) ask_at_ = std::chrono::steady_clock::now();
}

void LedAttempt::ReportEnd(const Tell& tell) {
  if (start_error_) {
    tell(protocol::AttemptFailedToStart{id(), WithCure(*start_error_)});
  } else if (transfer_ && transfer_->failure()) {
    tell(protocol::AttemptExited{id(), protocol::kExitIo, *transfer_->failure()});
  } else {
    tell(protocol::AttemptExited{id(), exit_code_, WithCure(last_log_lines_)});
  }
  tell(protocol::SlotsFree{id(), slots_});
  told_ = Told::kAll;
}

std::string LedAttempt::WithCure(std::string error) const {
  if (surroundings_.carriage == nullptr) return error;
  error.erase(error.find_last_not_of('\n') + 1);
  return WithWayToMakeRoom(std::move(error), surroundings_.carriage->home);
}

void LedAttempt::Rejoin() {
  told_ = Told::kNothing;
  events_.GoTo(acknowledged_);
  if (transfer_) transfer_->Restart();
}

void LedAttempt::Acknowledge(int64_t sequence) { acknowledged_ = std::max(acknowledged_, sequence); }

}  // namespace tutti::worker
