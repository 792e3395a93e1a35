#include "tests/sim/mistakes.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tutti::sim {
namespace {

// The number of the newest attempt at the job, as far as it is known.
int NewestOf(const core::Core& core, const JobId& job) {
  int newest = 0;
  for (const AttemptRecord& record : core.RecordsOf(job.ensemble).attempts) {
    if (record.id.job == job) newest = std::max(newest, record.id.number);
  }
  return newest;
}

AttemptId* AttemptIn(protocol::FromWorker& message) {
  if (auto* event = std::get_if<protocol::AttemptEvent>(&message)) return &event->attempt;
  if (auto* exited = std::get_if<protocol::AttemptExited>(&message)) return &exited->attempt;
  if (auto* free = std::get_if<protocol::SlotsFree>(&message)) return &free->attempt;
  return nullptr;
}

template <typename Message>
Message* Told(core::Effect& effect) {
  auto* tell = std::get_if<core::Tell>(&effect);
  return tell == nullptr ? nullptr : std::get_if<Message>(&tell->message);
}

}  // namespace

std::vector<core::Event> BrokenCore::Hear(const core::Event& event, const core::Core& core) const {
  const auto* said = std::get_if<core::WorkerSaid>(&event);
  return said == nullptr ? std::vector{event} : HearWorker(*said, core);
}

std::vector<core::Event> BrokenCore::HearWorker(core::WorkerSaid said, const core::Core& core) const {
  AttemptId* attempt = AttemptIn(said.message);
  if (mistake_ == Mistake::kConfusesAttempts && attempt != nullptr) attempt->number = NewestOf(core, attempt->job);
  auto* exited = std::get_if<protocol::AttemptExited>(&said.message);
  if (mistake_ != Mistake::kTakesEveryEndForSuccess || exited == nullptr) return {std::move(said)};
  exited->exit_code = protocol::kExitFinished;
  const protocol::AttemptEvent finished{exited->attempt, std::numeric_limits<int64_t>::max(), protocol::Finished{}};
  return {core::WorkerSaid{said.worker, said.incarnation, finished}, std::move(said)};
}

std::vector<core::Effect> BrokenCore::Speak(std::vector<core::Effect> effects) const {
  std::erase_if(effects, [&](const core::Effect& effect) { return Drops(effect); });
  for (core::Effect& effect : effects) Spoil(effect);
  if (mistake_ != Mistake::kDeletesWhatIsNeeded) return effects;
  std::vector<core::Effect> more;
  for (const core::Effect& effect : effects) {
    const auto* start = std::get_if<core::StartAttempt>(&effect);
    if (start != nullptr && start->resume_from) more.push_back(core::RemoveCheckpoint{*start->resume_from});
  }
  effects.insert(effects.end(), more.begin(), more.end());
  return effects;
}

bool BrokenCore::Drops(const core::Effect& effect) const {
  switch (mistake_) {
    case Mistake::kForgetsToPersist: {
      const auto* persist = std::get_if<core::Persist>(&effect);
      const auto* attempt = persist == nullptr ? nullptr : std::get_if<AttemptRecord>(&persist->record);
      return attempt != nullptr && attempt->state == AttemptState::kEnded;
    }
    case Mistake::kLetsStaleAttemptsRun: {
      const auto* tell = std::get_if<core::Tell>(&effect);
      const auto* stop = tell == nullptr ? nullptr : std::get_if<protocol::StopAttempt>(&tell->message);
      return stop != nullptr && stop->reason == protocol::StopReason::kStale;
    }
    case Mistake::kLosesGrants:
      return std::holds_alternative<core::StartAttempt>(effect);
    default:
      return false;
  }
}

void BrokenCore::Spoil(core::Effect& effect) const {
  auto* start = std::get_if<core::StartAttempt>(&effect);
  if (mistake_ == Mistake::kForgetsTheCheckpoint && start != nullptr) start->resume_from.reset();
  if (mistake_ == Mistake::kGrantsBusySlots && start != nullptr) start->gang.front().index = 0;
  auto* combine = std::get_if<core::Combine>(&effect);
  if (mistake_ == Mistake::kLeavesOutPredictions && combine != nullptr) combine->predictions.pop_back();
  auto* safe = Told<protocol::Acknowledge>(effect);
  if (mistake_ == Mistake::kAcknowledgesTooMuch && safe != nullptr) safe->sequence += 1000;
}

const Records& BrokenCore::Remember(const Records& now, const Records& before) const {
  return mistake_ == Mistake::kRestoresTooOld ? before : now;
}

}  // namespace tutti::sim
