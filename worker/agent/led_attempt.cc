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

LedAttempt::LedAttempt(AttemptSurroundings surroundings, protocol::Task task, std::vector<int> slots)
    : surroundings_(std::move(surroundings)),
      task_(std::move(task)),
      slots_(std::move(slots)),
      events_(surroundings_.files, task_.events) {}

LedAttempt::~LedAttempt() {
  if (gone()) return;
  surroundings_.ranks.Fence(id());
  surroundings_.ranks.Kill(id());
}

void LedAttempt::Launch() {
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
    TUTTI_ASSIGN_OR_RETURN(const fs::path mpirun, FindProgram(settings.mpirun, CurrentEnvironment()));
    TUTTI_RETURN_IF_ERROR(surroundings_.files.CreateDirectories(LauncherFolder()));
    command = GangCommand({mpirun, settings.tutti, settings.socket, LauncherFolder(), id(),
                           static_cast<int>(slots_.size()), settings.inventory.threads_per_slot});
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
  if (rank < 0 || rank >= static_cast<int>(slots_.size())) {
    return Fail(ErrorCode::kInvalid, "{} has {} ranks, none is number {}", id().str(), slots_.size(), rank);
  }
  TUTTI_ASSIGN_OR_RETURN(std::vector<std::string> arguments, TrainerArguments(settings.trainer, task_));
  came_.insert(rank);
  if (came_.size() == slots_.size()) start_by_.reset();
  const SlotShare share = settings.inventory.ShareOf(slots_[static_cast<size_t>(rank)]);
  return RankOrders{std::move(arguments), ForTrainer({}, share), share.cpus};
}

void LedAttempt::RequestCheckpoint(SteadyTime now) {
  if (phase_ != Phase::kRunning || stop_ != Stop::kNone) return;
  // An inspection has nothing to keep.
  if (task_.kind == JobKind::kInspect) return Kill(now);
  stop_ = Stop::kCheckpoint;
  kill_at_ = now + surroundings_.settings.checkpoint_deadline;
  ask_at_ = now;
  AskIfDue(now);
}

void LedAttempt::AskIfDue(SteadyTime now) {
  if (!ask_at_ || now < *ask_at_ || phase_ != Phase::kRunning || stop_ != Stop::kCheckpoint) return;
  // A rank takes signals from its hello on: before, one would end it.
  if (is_gang() && surroundings_.ranks.Connected(id()) < static_cast<int>(slots_.size())) return;
  process_->Signal(SIGUSR1);
  ask_at_.reset();
  if (!listens_) ask_at_ = now + kAskAgain;
}

void LedAttempt::Kill(SteadyTime now) {
  if (phase_ == Phase::kNew || gone() || stop_ == Stop::kKill) return;
  stop_ = Stop::kKill;
  start_by_.reset();
  kill_at_.reset();
  force_at_ = now + surroundings_.settings.kill_deadline;
  surroundings_.ranks.Fence(id());
  // mpirun ends by itself once its ranks have, and leaves nothing in shared memory and temporary folders.
  if (!is_gang() || surroundings_.ranks.Connected(id()) == 0) process_->KillGroup();
}

void LedAttempt::Tick(SteadyTime now) {
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
  if (told_ == Told::kAll) return;
  if (start_error_) {
    if (gone()) ReportEnd(tell);
    return;
  }
  if (told_ == Told::kNothing) {
    tell(protocol::AttemptStarted{id()});
    told_ = Told::kStarted;
  }
  ReportEvents(tell);
  if (gone() && (failed_reads_ == 0 ? events_.at_end() : failed_reads_ >= kMostFailedReads)) ReportEnd(tell);
}

void LedAttempt::ReportEvents(const Tell& tell) {
  Result<std::vector<protocol::FollowedEvent>> events = events_.Next();
  if (!events) {
    spdlog::warn("Cannot read the events of {}: {}", id().str(), events.error().Text());
    ++failed_reads_;
    return;
  }
  failed_reads_ = 0;
  for (protocol::FollowedEvent& followed : *events) {
    tell(protocol::AttemptEvent{id(), followed.sequence, std::move(followed.event)});
  }
  if (events->empty() || listens_) return;
  listens_ = true;
  if (stop_ == Stop::kCheckpoint) ask_at_ = std::chrono::steady_clock::now();
}

void LedAttempt::ReportEnd(const Tell& tell) {
  if (start_error_) {
    tell(protocol::AttemptFailedToStart{id(), *start_error_});
  } else {
    tell(protocol::AttemptExited{id(), exit_code_, last_log_lines_});
  }
  tell(protocol::SlotsFree{id(), slots_});
  told_ = Told::kAll;
}

void LedAttempt::Rejoin() {
  told_ = Told::kNothing;
  events_.GoTo(acknowledged_);
}

void LedAttempt::Acknowledge(int64_t sequence) { acknowledged_ = std::max(acknowledged_, sequence); }

}  // namespace tutti::worker
