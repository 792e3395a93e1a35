#include "worker/trainer/training/run.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "common/file_system.h"
#include "common/json.h"
#include "common/protocol/task.h"
#include "common/protocol/trainer_events.h"
#include "worker/trainer/data/inspect.h"
#include "worker/trainer/parallel/collective.h"
#include "worker/trainer/training/event_log.h"
#include "worker/trainer/training/failure.h"
#include "worker/trainer/training/inputs.h"
#include "worker/trainer/training/member_training.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

Result<protocol::Task> ReadTask(const fs::path& path, JobKind kind) {
  const auto wrong = [&](Error error) {
    return FailBecause(AsBadTask(std::move(error)), "the task {} cannot be used", path.string());
  };
  auto text = PosixFileSystem().Read(path);
  if (!text) return wrong(std::move(text.error()));
  auto json = ParseJson(*text);
  if (!json) return wrong(std::move(json.error()));
  auto task = protocol::TaskFromJson(*json);
  if (!task) return wrong(std::move(task.error()));
  if (task->kind == kind) return task;
  return Fail(ErrorCode::kInvalid, "the task {} is of kind {}, which `tutti-trainer {}` does not take", path.string(),
              Name(task->kind), Name(kind));
}

void Print(const std::string& text) { std::fprintf(stderr, "tutti-trainer: %s\n", text.c_str()); }

// On stderr, and where the attempt's followers read. The event comes last: whoever reads it may look at the log.
int Report(const Failure& failure, EventLog& events) {
  Print(failure.text);
  if (auto said = events.AppendDurably(protocol::Failed{failure.text}); !said) Print(said.error().Text());
  return failure.exit_code;
}

int ReportBeforeEvents(const Error& error) {
  Print(error.Text());
  return ExitCodeOf(error.code);
}

// One failed rank fails all, with its code: each learns the highest, and of which rank it is.
Result<std::optional<Failure>> AgreeOnFailure(Collective& collective, const tl::expected<void, Failure>& own) {
  const at::Tensor codes = at::zeros({collective.size()}, at::kLong);
  if (!own) codes[collective.rank()] = own.error().exit_code;
  TUTTI_RETURN_IF_ERROR(collective.AllReduceSum(codes));
  if (!own) return own.error();
  const int64_t worst = codes.argmax().item<int64_t>();
  const int code = codes[worst].item<int>();
  if (code == 0) return std::nullopt;
  return Failure{code, fmt::format("rank {} could not begin; its log says why", worst)};
}

struct Session {
  const protocol::Task& task;
  Collective& collective;
  EventLog& events;
};

// Some ranks may not know: the gang is taken down.
int GiveUp(const Failure& failure, const Session& session) {
  const int code = Report(failure, session.events);
  session.collective.Abort(code);
  return code;
}

int LeaveTogether(int exit_code, Collective& collective) {
  if (auto left = collective.Shutdown(); !left) {
    Print(left.error().Text());
    collective.Abort(exit_code);
  }
  return exit_code;
}

int ReportOutcome(const TrainingOutcome& outcome, EventLog& events) {
  if (std::holds_alternative<TrainingFinished>(outcome)) return protocol::kExitFinished;
  if (std::holds_alternative<TrainingStopped>(outcome)) return protocol::kExitStopped;
  return Report({protocol::kExitDiverged, std::get<TrainingDiverged>(outcome).what}, events);
}

int Train(const Session& session) {
  std::optional<Inputs> inputs;
  std::unique_ptr<MemberTraining> training;
  const auto prepared = Guarded([&]() -> Result<void> {
    at::set_num_threads(std::max(1, session.task.threads));
    TUTTI_ASSIGN_OR_RETURN(inputs, OpenInputs(PosixFileSystem(), session.task));
    TUTTI_ASSIGN_OR_RETURN(
        training, MemberTraining::Make(PosixFileSystem(), session.task, *inputs, session.collective, session.events));
    return {};
  });
  auto failure = AgreeOnFailure(session.collective, prepared);
  if (!failure) return GiveUp({ExitCodeOf(failure.error().code), failure.error().Text()}, session);
  if (*failure) return LeaveTogether(Report(**failure, session.events), session.collective);

  std::optional<TrainingOutcome> outcome;
  const auto ran = Guarded([&]() -> Result<void> {
    TUTTI_ASSIGN_OR_RETURN(outcome, training->Run());
    return {};
  });
  if (!ran) return GiveUp(ran.error(), session);
  return LeaveTogether(ReportOutcome(*outcome, session.events), session.collective);
}

Result<std::unique_ptr<EventLog>> OpenEvents(const protocol::Task& task, int rank) {
  if (rank != 0) return EventLog::Silent();
  return EventLog::Open(PosixFileSystem(), task.events);
}

}  // namespace

int RunTrain(const fs::path& task_file) {
  const auto task = ReadTask(task_file, JobKind::kTrain);
  if (!task) return ReportBeforeEvents(task.error());
  const auto collective = MakeCollective(at::kCPU, {});
  if (!collective) return ReportBeforeEvents(collective.error());
  const auto events = OpenEvents(*task, (*collective)->rank());
  if (!events) {
    const int code = ReportBeforeEvents(events.error());
    (*collective)->Abort(code);
    return code;
  }
  return Train({*task, **collective, **events});
}

int RunInspect(const fs::path& task_file) {
  const auto task = ReadTask(task_file, JobKind::kInspect);
  if (!task) return ReportBeforeEvents(task.error());
  const auto events = EventLog::Open(PosixFileSystem(), task->events);
  if (!events) return ReportBeforeEvents(events.error());
  const auto done = Guarded([&]() -> Result<void> {
    auto inspected = Inspect(*task);
    if (!inspected) return tl::unexpected<Error>(AsBadData(std::move(inspected.error())));
    return (*events)->AppendDurably(*inspected);
  });
  return done ? protocol::kExitFinished : Report(done.error(), **events);
}

}  // namespace tutti::trainer
