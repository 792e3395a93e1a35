#include "coordinator/server/routes/routes.h"
#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

Error FilesStayBehind(const EnsembleId& id, const Error& why) {
  return Error{why.code,
               fmt::format("{} is removed, but not all of its files could be deleted: {}; the next start of a "
                           "coordinator tries it again",
                           id, why.Text()),
               nullptr};
}

bool IsOpen(EnsembleState state) { return state == EnsembleState::kRunning || state == EnsembleState::kStopped; }

Result<void> CancelEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  if (ensemble.state == EnsembleState::kCancelled) {
    respond(JsonResponse(Outcome(ensemble.id, "cancelled")));
    return {};
  }
  if (!IsOpen(ensemble.state)) {
    return Fail(ErrorCode::kConflict, "{} has ended already: it is {}", ensemble.id, Name(ensemble.state));
  }
  SubmitAndAnswer(context, core::EnsembleCancelled{ensemble.id}, ensemble.id, "cancelled", respond);
  return {};
}

Result<void> ResumeEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  if (ensemble.state == EnsembleState::kRemoving) {
    return Fail(ErrorCode::kConflict, "{} is being removed: there is nothing to go on with", ensemble.id);
  }
  TUTTI_ASSIGN_OR_RETURN(const Stored stored, ReadStoredOf(context, ensemble));
  const bool finished = ensemble.state == EnsembleState::kFinished && stored.problem.empty();
  if (finished || ensemble.state == EnsembleState::kRunning) {
    respond(JsonResponse(Outcome(ensemble.id, Name(ensemble.state))));
    return {};
  }
  SubmitAndAnswer(context, core::EnsembleResumed{ensemble.id, core::Answer::kLost}, ensemble.id, "resumed", respond);
  return {};
}

void AnswerRemoved(const RouteContext& context, const EnsembleId& id, const Respond& respond) {
  const Records records = context.executor.core().RecordsOf(id);
  if (records.ensembles.empty()) {
    return context.executor.DeleteRemoved(id, [respond, id](const Result<void>& deleted) {
      respond(deleted ? JsonResponse(Outcome(id, "removed")) : ProblemResponse(FilesStayBehind(id, deleted.error())));
    });
  }
  const EnsembleRecord& left = records.ensembles.front();
  if (left.state == EnsembleState::kRemoving) {
    return respond(ProblemResponse(Error{ErrorCode::kIo, fmt::format("{}: {}", id, left.note), nullptr}));
  }
  respond(ProblemResponse(
      Error{ErrorCode::kConflict, fmt::format("{} is still being written to: try again in a moment", id), nullptr}));
}

Result<void> RemoveEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  if (ensemble.state == EnsembleState::kRunning) {
    return Fail(ErrorCode::kConflict, "{} is running: `tutti cancel {}` ends it first", ensemble.id, ensemble.id);
  }
  context.executor.Submit(core::EnsembleRemoved{ensemble.id}, [context, respond, id = ensemble.id] {
    // How it went was queued when the folder was taken from its name: behind that, it is known.
    context.executor.Submit(core::Tick{}, [context, respond, id] { AnswerRemoved(context, id, respond); });
  });
  return {};
}

Result<void> PrioritiseEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Json body, ParseJson(request.body));
  TUTTI_ASSIGN_OR_RETURN(const int priority, PriorityIn(body));
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  SubmitAndAnswer(context, core::EnsemblePrioritised{ensemble.id, priority}, ensemble.id, "prioritised", respond);
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kPost, "/api/v1/ensembles/ID/priority", Role::kOperator, PrioritiseEnsemble},
    {Method::kPost, "/api/v1/ensembles/ID/cancel", Role::kOperator, CancelEnsemble},
    {Method::kPost, "/api/v1/ensembles/ID/resume", Role::kOperator, ResumeEnsemble},
    {Method::kDelete, "/api/v1/ensembles/ID", Role::kOperator, RemoveEnsemble},
};

}  // namespace

std::span<const Route> ControlRoutes() { return kRoutes; }

}  // namespace tutti::server
