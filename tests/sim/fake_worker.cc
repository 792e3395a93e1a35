#include "tests/sim/fake_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tutti::sim {
namespace {

using std::chrono::milliseconds;

std::vector<int> SlotsOn(const WorkerId& worker, const std::vector<SlotId>& gang) {
  std::vector<int> slots;
  for (const SlotId& slot : gang) {
    if (slot.worker == worker) slots.push_back(slot.index);
  }
  return slots;
}

}  // namespace

FakeWorker::FakeWorker(Surroundings& surroundings, WorkerId id, int slots, std::string domain)
    : surroundings_(surroundings), id_(std::move(id)), slots_(slots), domain_(std::move(domain)) {}

std::vector<AttemptId> FakeWorker::SharedWith(const WorkerId& other) const {
  std::vector<AttemptId> shared;
  for (const auto& [id, attempt] : attempts_) {
    if (attempt.leader && !attempt.ended && !SlotsOn(other, attempt.gang).empty()) shared.push_back(id);
  }
  return shared;
}

void FakeWorker::Die() {
  alive_ = false;
  joined_ = false;
  for (auto& [id, attempt] : std::exchange(attempts_, {})) {
    if (!attempt.ended) surroundings_.gang_ended(id_, id, attempt.gang);
  }
}

void FakeWorker::Leave() {
  leaving_ = true;
  for (auto& [id, attempt] : attempts_) attempt.stop_asked = true;
  if (joined_) surroundings_.send(id_, protocol::Leaving{});
}

void FakeWorker::Rise() {
  alive_ = true;
  leaving_ = false;
  ++incarnation_.value;
}

protocol::Hello FakeWorker::MakeHello() const {
  protocol::Hello hello;
  hello.worker = id_;
  hello.incarnation = incarnation_;
  hello.launch_domain = domain_;
  hello.slots = slots_;
  for (const auto& [id, attempt] : attempts_) {
    // Ended ones as well: the leader may not have told the end yet.
    hello.running.push_back({id, attempt.leader, attempt.ended ? std::vector<int>() : attempt.slots});
  }
  return hello;
}

void FakeWorker::HandleWelcome() {
  joined_ = true;
  if (leaving_) surroundings_.send(id_, protocol::Leaving{});
  for (auto& [id, attempt] : attempts_) {
    attempt.told_start = attempt.told_exit = attempt.told_free = false;
    const auto fresh = [&](const Line& line) { return line.sequence > attempt.acknowledged; };
    attempt.told_lines = static_cast<size_t>(std::ranges::find_if(attempt.log, fresh) - attempt.log.begin());
  }
  ReportAll();
}

void FakeWorker::CheckSlotsAreFree(const AttemptId& wanted, const std::vector<int>& slots) const {
  for (const auto& [id, attempt] : attempts_) {
    if (id == wanted || attempt.ended) continue;
    for (const int slot : slots) {
      if (std::ranges::count(attempt.slots, slot) == 0) continue;
      throw Violation(
          fmt::format("slot {}:{} was granted to {} while {} runs on it", id_, slot, wanted.str(), id.str()));
    }
  }
}

void FakeWorker::HandleGrant(const protocol::GrantSlots& grant) {
  if (attempts_.contains(grant.attempt)) return;
  CheckSlotsAreFree(grant.attempt, grant.slots);
  const bool leads = std::ranges::count(grant.ranks, 0) > 0;
  const bool refuses = leaving_ || (surroundings_.chaos == Chaos::kOn && surroundings_.agenda.OneIn(20));
  if (!leads && refuses) {
    surroundings_.send(id_, protocol::AttemptFailedToStart{grant.attempt, "its ranks did not come"});
    surroundings_.send(id_, protocol::SlotsFree{grant.attempt, grant.slots});
    return;
  }
  attempts_[grant.attempt].slots = grant.slots;
}

void FakeWorker::HandleStart(const core::StartAttempt& start) {
  if (leaving_) return Renounce(start);
  Attempt& attempt = attempts_[start.attempt];
  if (attempt.started || attempt.ended) return;
  attempt.leader = true;
  attempt.started = true;
  attempt.kind = start.kind;
  attempt.gang = start.gang;
  attempt.slots = SlotsOn(id_, start.gang);
  CheckSlotsAreFree(start.attempt, attempt.slots);
  int& highest = surroundings_.disk.highest_attempt[start.attempt.job];
  if (start.attempt.number <= highest && surroundings_.is_live(start.attempt)) {
    throw Violation(fmt::format("{} was started, but attempt {} has a folder", start.attempt.str(), highest));
  }
  highest = std::max(highest, start.attempt.number);
  if (start.resume_from) {
    attempt.step = start.resume_from->step;
    if (!surroundings_.disk.checkpoints.contains(*start.resume_from)) {
      if (surroundings_.is_live(start.attempt)) {
        throw Violation(fmt::format("{} goes on from step {}, which was deleted", start.attempt.str(), attempt.step));
      }
      return End(start.attempt, attempt, protocol::kExitIo);
    }
  }
  DrawFate(attempt);
  Later(start.attempt, surroundings_.agenda.Within(milliseconds(10), milliseconds(500)),
        [this, id = start.attempt](Attempt& begun) {
          const bool whole = std::ranges::all_of(
              begun.gang, [&](const SlotId& slot) { return surroundings_.lends(id_, slot.worker, id); });
          if (!whole) return End(id, begun, protocol::kExitInternal);
          Write(id, begun,
                protocol::Started{begun.step, kTotalSteps, kStepsPerEpoch, static_cast<int>(begun.gang.size()), {}});
          Work(id, begun);
        });
  Report(start.attempt, attempt);
}

void FakeWorker::Renounce(const core::StartAttempt& start) {
  const auto found = attempts_.find(start.attempt);
  if (found == attempts_.end() || found->second.started || found->second.ended) return;
  attempts_.erase(found);
  surroundings_.gang_ended(id_, start.attempt, start.gang);
  surroundings_.send(id_, protocol::AttemptFailedToStart{start.attempt, "the worker is leaving"});
  surroundings_.send(id_, protocol::SlotsFree{start.attempt, SlotsOn(id_, start.gang)});
}

void FakeWorker::DrawFate(Attempt& attempt) {
  if (surroundings_.chaos == Chaos::kOff) return;
  Agenda& agenda = surroundings_.agenda;
  if (!agenda.OneIn(3)) return;
  attempt.crash_at = agenda.Between(attempt.step, kTotalSteps);
  static constexpr int kCodes[] = {protocol::kExitInternal, protocol::kExitOutOfMemory, protocol::kExitStopped, 137, 0};
  attempt.crash_code = agenda.OneIn(12) ? protocol::kExitDiverged : kCodes[agenda.Between(0, 4)];
}

void FakeWorker::Work(const AttemptId& id, Attempt& attempt) {
  const Duration pace = surroundings_.agenda.Within(milliseconds(100), milliseconds(3000));
  Later(id, pace, [this, id](Attempt& working) {
    working.kind == JobKind::kInspect ? Inspect(id, working) : TrainStep(id, working);
  });
  Report(id, attempt);
}

void FakeWorker::Inspect(const AttemptId& id, Attempt& attempt) {
  if (attempt.stop_asked) return End(id, attempt, protocol::kExitStopped);
  if (attempt.crash_at >= 0 && attempt.crash_at < kTotalSteps / 2) return End(id, attempt, attempt.crash_code);
  protocol::Inspected inspected;
  inspected.data_hash = "data";
  inspected.file = "labels";
  Write(id, attempt, inspected);
  if (attempt.crash_at >= 0) return End(id, attempt, attempt.crash_code);
  Write(id, attempt, protocol::Finished{});
  End(id, attempt, protocol::kExitFinished);
}

void FakeWorker::TrainStep(const AttemptId& id, Attempt& attempt) {
  if (attempt.stop_asked) {
    Checkpoint(id, attempt);
    Write(id, attempt, protocol::StoppedEarly{attempt.step});
    return End(id, attempt, protocol::kExitStopped);
  }
  if (attempt.step == attempt.crash_at) return End(id, attempt, attempt.crash_code);
  if (attempt.step == kTotalSteps) return Finish(id, attempt);
  ++attempt.step;
  Write(id, attempt, protocol::Progress{attempt.step, 0, 0, 0});
  if (attempt.step % kStepsPerEpoch == 0) {
    protocol::EpochDone epoch;
    epoch.epoch = static_cast<int>(attempt.step / kStepsPerEpoch);
    epoch.step = attempt.step;
    Write(id, attempt, epoch);
    Checkpoint(id, attempt);
  }
  Work(id, attempt);
}

void FakeWorker::Checkpoint(const AttemptId& id, Attempt& attempt) {
  surroundings_.disk.checkpoints.insert({id, attempt.step});
  protocol::CheckpointWritten written;
  written.step = attempt.step;
  written.folder = fmt::format("members/{}/attempt-{}/step-{}", id.job.name, id.number, attempt.step);
  // Neither rising nor falling, so that the best is now this one, now that one.
  written.validation_loss = static_cast<double>((attempt.step * 5) % 7) / 7;
  Write(id, attempt, written);
}

void FakeWorker::Finish(const AttemptId& id, Attempt& attempt) {
  for (const Split split : {Split::kValidation, Split::kTest}) {
    Write(id, attempt, protocol::PredictionsWritten{"last", split, "file", 10, kTotalSteps});
  }
  Write(id, attempt, protocol::Finished{kTotalSteps, 1});
  End(id, attempt, protocol::kExitFinished);
}

void FakeWorker::Write(const AttemptId& id, Attempt& attempt, protocol::TrainerEvent event) {
  const int64_t before = attempt.log.empty() ? 0 : attempt.log.back().sequence;
  attempt.log.push_back({before + surroundings_.agenda.Between(20, 200), std::move(event)});
  surroundings_.disk.events[id].push_back({id, attempt.log.back().sequence, attempt.log.back().event});
}

void FakeWorker::End(const AttemptId& id, Attempt& attempt, int exit_code) {
  attempt.ended = true;
  attempt.exit_code = exit_code;
  surroundings_.gang_ended(id_, id, attempt.gang);
  Report(id, attempt);
}

void FakeWorker::HandleStop(const protocol::StopAttempt& stop) {
  const auto found = attempts_.find(stop.attempt);
  if (found == attempts_.end()) {
    surroundings_.send(id_, protocol::AttemptFailedToStart{stop.attempt, "not here"});
    return;
  }
  Attempt& attempt = found->second;
  if (stop.reason == protocol::StopReason::kRequested || stop.reason == protocol::StopReason::kPreempted) {
    attempt.stop_asked = true;
    return;
  }
  if (attempt.ended) {
    if (stop.reason == protocol::StopReason::kStale && attempt.told_free) attempts_.erase(found);
    return;
  }
  if (attempt.leader) return End(stop.attempt, attempt, 137);
  attempt.stale = stop.reason == protocol::StopReason::kStale;
  HandleGangEnded(stop.attempt);
}

void FakeWorker::HandleAcknowledge(const protocol::Acknowledge& acknowledge) {
  const auto found = attempts_.find(acknowledge.attempt);
  if (found == attempts_.end()) return;
  Attempt& attempt = found->second;
  attempt.acknowledged = std::max(attempt.acknowledged, acknowledge.sequence);
  const int64_t last = attempt.log.empty() ? 0 : attempt.log.back().sequence;
  if (attempt.ended && attempt.told_free && attempt.acknowledged >= last) attempts_.erase(found);
}

void FakeWorker::HandleGangEnded(const AttemptId& id) {
  Attempt* attempt = Find(id);
  if (attempt == nullptr || attempt->leader || attempt->ended) return;
  attempt->ended = true;
  Report(id, *attempt);
}

void FakeWorker::HandleRankGone(const AttemptId& id) {
  Attempt* attempt = Find(id);
  if (attempt != nullptr && attempt->leader && !attempt->ended) End(id, *attempt, protocol::kExitInternal);
}

void FakeWorker::ReportAll() {
  std::vector<AttemptId> ids;
  for (const auto& [id, attempt] : attempts_) ids.push_back(id);
  for (const AttemptId& id : ids) {
    Attempt* attempt = Find(id);
    if (attempt != nullptr) Report(id, *attempt);
  }
}

void FakeWorker::Report(const AttemptId& id, Attempt& attempt) {
  if (!joined_) return;
  if (attempt.leader) {
    if (!std::exchange(attempt.told_start, true)) surroundings_.send(id_, protocol::AttemptStarted{id});
    for (; attempt.told_lines < attempt.log.size(); ++attempt.told_lines) {
      const Line& line = attempt.log[attempt.told_lines];
      surroundings_.send(id_, protocol::AttemptEvent{id, line.sequence, line.event});
    }
  }
  if (!attempt.ended) return;
  if (attempt.leader && !std::exchange(attempt.told_exit, true)) {
    surroundings_.send(id_, protocol::AttemptExited{id, attempt.exit_code, ""});
  }
  if (!std::exchange(attempt.told_free, true)) surroundings_.send(id_, protocol::SlotsFree{id, attempt.slots});
  if (!attempt.leader && attempt.stale) attempts_.erase(id);
}

FakeWorker::Attempt* FakeWorker::Find(const AttemptId& id) {
  const auto found = attempts_.find(id);
  return found == attempts_.end() ? nullptr : &found->second;
}

void FakeWorker::Later(const AttemptId& id, Duration delay, std::function<void(Attempt&)> action) {
  surroundings_.agenda.After(delay, [this, id, process = incarnation_, action = std::move(action)] {
    if (!alive_ || incarnation_ != process) return;
    Attempt* attempt = Find(id);
    if (attempt != nullptr && !attempt->ended) action(*attempt);
  });
}

}  // namespace tutti::sim
