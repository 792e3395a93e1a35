#include "coordinator/server/garbage.h"

#include <algorithm>

#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

// The newest attempt of a job that is not done counts as one that goes on: a worker that was lost may come back with
// it.
bool MayGoOn(const core::Core& core, const AttemptRecord& attempt) {
  if (attempt.state != AttemptState::kEnded) return true;
  const JobRecord* job = core.job(attempt.id.job);
  const bool open = job != nullptr && (job->state == JobState::kWaiting || job->state == JobState::kRunning);
  return open && attempt.id.number >= job->attempts;
}

bool Trains(const core::Core& core) {
  const auto& attempts = core.records().attempts;
  return std::ranges::any_of(attempts, [](const auto& one) { return one.state != AttemptState::kEnded; });
}

Result<GarbageSearch> SearchFor(const RouteContext& context) {
  const core::Core& core = context.executor.core();
  GarbageSearch search;
  search.now = context.executor.Now();
  search.trains = Trains(core);
  TUTTI_ASSIGN_OR_RETURN(search.given, context.catalog.HighestNumbers());
  for (const EnsembleRecord& ensemble : core.ensembles()) search.known.insert(ensemble.id);
  for (const AttemptRecord& attempt : core.records().attempts) {
    if (!MayGoOn(core, attempt)) search.ended.push_back(attempt.id);
  }
  return search;
}

// What was found is held against how things stand now: something may have started while the disk was looked at.
void RemoveFound(const RouteContext& context, std::vector<Garbage> found, const Respond& respond) {
  if (Trains(context.executor.core())) {
    std::erase_if(found, [](const Garbage& one) { return one.kind == Garbage::Kind::kPrepared; });
  }
  context.executor.OnDisk([files = context.files, home = context.home, found = std::move(found), respond] {
    const auto removed = RemoveGarbage(*files, home, found);
    respond(removed ? JsonResponse(GarbageView(found, true)) : ProblemResponse(removed.error()));
  });
}

Result<void> CollectGarbage(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const bool dry_run, FlagOf(request, "dry_run"));
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  context.executor.Flush();
  TUTTI_ASSIGN_OR_RETURN(GarbageSearch search, SearchFor(context));
  context.executor.OnDisk([context, search = std::move(search), dry_run, respond] {
    auto found = FindGarbage(*context.files, context.home, search);
    if (!found) return respond(ProblemResponse(found.error()));
    if (dry_run) return respond(JsonResponse(GarbageView(*found, false)));
    context.events(
        [context, found = std::move(*found), respond]() mutable { RemoveFound(context, std::move(found), respond); });
  });
  return {};
}

constexpr Route kRoutes[] = {{Method::kPost, "/api/v1/gc", Role::kOperator, CollectGarbage}};

}  // namespace

std::span<const Route> GarbageRoutes() { return kRoutes; }

}  // namespace tutti::server
