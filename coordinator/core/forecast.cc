#include "coordinator/core/forecast.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

namespace tutti::core {
namespace {

// What takes nobody knows how long takes this long in the forecast; its times are not told.
constexpr Duration kUnknown = std::chrono::hours(1);
constexpr int kMostEvents = 500'000;

class Rehearsal {
 public:
  Rehearsal(Core core, const EnsembleSubmitted& ensemble, const DurationOf& duration_of, TimePoint now,
            const std::function<bool()>& enough)
      : core_(std::move(core)),
        ensemble_(ensemble),
        duration_of_(duration_of),
        begin_(now),
        now_(now),
        enough_(enough) {}

  Forecast Run() {
    for (const AttemptRecord& attempt : core_.records().attempts) {
      if (attempt.state == AttemptState::kEnded || attempt.gang.empty()) continue;
      incarnations_[attempt.gang.front().worker] = attempt.leader_incarnation;
      Plan(attempt.id, attempt.gang);
    }
    for (const auto& worker : core_.workers()) incarnations_[worker.id] = worker.incarnation;
    Handle(ensemble_);
    Settle();
    NoteReasons();
    while (GoOn()) {
    }
    return Tell();
  }

 private:
  struct Running {
    AttemptId attempt;
    std::vector<SlotId> gang;
    TimePoint begins;
    bool known = true;  // when it begins and how long it takes
  };

  bool TooMuch() {
    too_much_ = too_much_ || events_ >= kMostEvents || (enough_ && enough_());
    return too_much_;
  }

  void Handle(const Event& event) {
    ++events_;
    for (Effect& effect : core_.Handle(event, now_)) std::visit([this](auto& wanted) { Answer(wanted); }, effect);
  }
  // What effects end in happens at once.
  void Settle() {
    while (!soon_.empty() && !TooMuch()) {
      const Event event = std::move(soon_.front());
      soon_.pop_front();
      Handle(event);
    }
  }

  void Answer(const StartAttempt& start) {
    incarnations_.insert(start.incarnations.begin(), start.incarnations.end());
    Plan(start.attempt, start.gang);
  }
  void Answer(const CheckInspection& check) { soon_.emplace_back(InspectionChecked{check.id, ""}); }
  void Answer(const DrawSplit& draw) { soon_.emplace_back(SplitDrawn{draw.id, ""}); }
  void Answer(const Combine& combine) { soon_.emplace_back(CombinationDone{combine.id, ""}); }
  void Answer(const InspectFolders& look) { soon_.emplace_back(FoldersInspected{look.job, {}, 0}); }
  void Answer(const RemoveCheckpoint& remove) { soon_.emplace_back(CheckpointRemoved{remove.key, ""}); }
  void Answer(const RemoveEnsembleFolder& remove) { soon_.emplace_back(EnsembleFolderRemoved{remove.id, ""}); }
  void Answer(const Persist&) {}
  void Answer(const Erase&) {}
  void Answer(const Tell&) {}
  void Answer(const Notify&) {}

  void Plan(const AttemptId& attempt, const std::vector<SlotId>& gang) {
    const bool trains = attempt.job.name != kInspectJob;
    const std::optional<Duration> takes = trains ? duration_of_(attempt.job) : Duration(0);
    running_.emplace(now_ + takes.value_or(kUnknown), Running{attempt, gang, now_, known_ && takes});
    if (attempt.job.ensemble == ensemble_.id || !trains) return;
    others_.insert(attempt.job);
  }

  // Lets the next attempt finish, or time pass for those that wait for it. False when there is nothing left to see.
  bool GoOn() {
    if (TooMuch() || done_.size() == ensemble_.spec.members.size()) return false;
    const std::optional<TimePoint> deadline = running_.empty() ? NextBackoff() : std::nullopt;
    if (running_.empty() && !deadline) return false;
    if (deadline) {
      now_ = std::max(now_, *deadline);
      LetAllLive();
      Handle(Tick{});
    } else {
      const auto [ends, next] = *running_.begin();
      running_.erase(running_.begin());
      now_ = std::max(now_, ends);
      known_ = known_ && next.known;
      Finish(next);
    }
    Settle();
    return true;
  }

  // Only back-off makes time matter: without it nothing that waits now will ever run.
  std::optional<TimePoint> NextBackoff() const {
    std::optional<TimePoint> next;
    for (const JobRecord& job : core_.records().jobs) {
      if (job.state != JobState::kWaiting || !job.not_before || *job.not_before <= now_) continue;
      if (!next || *job.not_before < *next) next = job.not_before;
    }
    return next;
  }

  void LetAllLive() {
    for (const auto& worker : core_.workers()) {
      if (worker.connected) Handle(WorkerSaid{worker.id, worker.incarnation, protocol::Heartbeat{}});
    }
  }

  void Finish(const Running& one) {
    if (one.attempt.job.ensemble == ensemble_.id) others_so_far_ = others_.size();
    const WorkerId& leader = one.gang.front().worker;
    const auto say = [&](const WorkerId& worker, protocol::FromWorker message) {
      Handle(WorkerSaid{worker, incarnations_[worker], std::move(message)});
    };
    int64_t sequence = int64_t{1} << 60;  // behind all that a running one has said
    const auto report = [&](protocol::TrainerEvent event) {
      say(leader, protocol::AttemptEvent{one.attempt, ++sequence, std::move(event)});
    };
    say(leader, protocol::AttemptStarted{one.attempt});
    if (one.attempt.job.name == kInspectJob) {
      report(protocol::Inspected{});
    } else {
      const int64_t step = std::numeric_limits<int64_t>::max();
      protocol::CheckpointWritten written;
      written.step = step;
      report(std::move(written));
      report(protocol::PredictionsWritten{"last", Split::kValidation, "", 0, step});
    }
    report(protocol::Finished{});
    say(leader, protocol::AttemptExited{one.attempt, protocol::kExitFinished, ""});
    std::map<WorkerId, std::vector<int>> slots;
    for (const SlotId& slot : one.gang) slots[slot.worker].push_back(slot.index);
    for (const auto& [worker, indexes] : slots) say(worker, protocol::SlotsFree{one.attempt, indexes});
    if (one.attempt.job.ensemble == ensemble_.id && one.attempt.job.name != kInspectJob) Note(one);
  }

  void Note(const Running& one) {
    ForecastMember& member = done_[one.attempt.job.name];
    member.gang = one.gang;
    member.at_once = one.begins == begin_;
    if (member.at_once || one.known) member.begins = one.begins - begin_;
    if (known_) member.ends = now_ - begin_;
  }

  // As they stand once all that starts at once has started: the inspection takes no time here.
  void NoteReasons() {
    while (!running_.empty() && running_.begin()->first == begin_ && !TooMuch()) GoOn();
    reasons_ = core_.WhyWaiting(ensemble_.id);
  }

  // What the inspection waits for, all wait for.
  std::string WhyNever(const JobId& member) const {
    const JobId inspection{ensemble_.id, kInspectJob};
    const JobRecord* inspected = core_.job(inspection);
    const bool open = inspected != nullptr && inspected->state == JobState::kWaiting;
    return core_.Why(open ? inspection : member);
  }

  Forecast Tell() {
    Forecast forecast;
    forecast.whole = !too_much_;
    forecast.others = static_cast<int>(others_so_far_);
    forecast.ends = Duration(0);
    for (const spec::MemberSpec& spec : ensemble_.spec.members) {
      const auto done = done_.find(spec.name);
      ForecastMember member = done == done_.end() ? ForecastMember() : done->second;
      member.name = spec.name;
      member.slots = spec.slots.min;
      const auto reason = reasons_.find(JobId{ensemble_.id, spec.name});
      if (!member.at_once && reason != reasons_.end()) member.reason = reason->second;
      if (done == done_.end()) member.reason = WhyNever({ensemble_.id, spec.name});
      forecast.ends =
          forecast.ends && member.ends ? std::optional(std::max(*forecast.ends, *member.ends)) : std::nullopt;
      forecast.members.push_back(std::move(member));
    }
    return forecast;
  }

  Core core_;
  const EnsembleSubmitted& ensemble_;
  const DurationOf& duration_of_;
  const TimePoint begin_;
  TimePoint now_;
  bool known_ = true;  // every end so far was that of something whose duration is known
  const std::function<bool()>& enough_;
  int events_ = 0;
  bool too_much_ = false;
  std::deque<Event> soon_;
  std::multimap<TimePoint, Running> running_;  // by their ends
  std::map<WorkerId, Incarnation> incarnations_;
  std::map<std::string, ForecastMember> done_;
  std::map<JobId, std::string> reasons_;
  std::set<JobId> others_;
  size_t others_so_far_ = 0;  // when the last member of the ensemble ended
};

}  // namespace

Forecast ForecastOf(Core core, const EnsembleSubmitted& ensemble, const DurationOf& duration_of, TimePoint now,
                    const std::function<bool()>& enough) {
  return Rehearsal(std::move(core), ensemble, duration_of, now, enough).Run();
}

}  // namespace tutti::core
