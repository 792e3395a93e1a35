#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

constexpr size_t kWorkerSegment = 3;  // /api/v1/workers/NAME

Result<void> ListWorkers(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  context.executor.Flush();  // who has just gone is not shown as half there
  respond(JsonResponse(WorkersView(context.executor.core().workers(), [&](const auto& worker) {
    return context.executor.workers().Find(worker.id, worker.incarnation);
  })));
  return {};
}

constexpr size_t kMostNamed = 10;

Result<WorkerId> FindWorker(const RouteContext& context, const HttpRequest& request) {
  context.executor.Flush();
  const std::string& name = request.segments[kWorkerSegment];
  std::vector<std::string> known;
  for (const auto& worker : context.executor.core().workers()) {
    if (worker.id.str() == name) return worker.id;
    known.push_back(worker.id.str());
  }
  if (!IsValidName(name)) return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of a worker", name);
  if (known.empty()) return Fail(ErrorCode::kNotFound, "there is no worker {}; none is connected", name);
  const bool few = known.size() <= kMostNamed;
  known.resize(std::min(known.size(), kMostNamed));
  return Fail(ErrorCode::kNotFound, "there is no worker {}; there are: {}{}", name, fmt::join(known, ", "),
              few ? "" : ", ...: `tutti workers` lists all");
}

void DrainAndAnswer(const RouteContext& context, const WorkerId& worker, core::WorkerDrained::Drain drain,
                    std::string outcome, const Respond& respond) {
  context.executor.Submit(core::WorkerDrained{worker, drain}, [respond, worker, outcome = std::move(outcome)] {
    respond(JsonResponse({{"id", worker.str()}, {"outcome", outcome}}));
  });
}

Result<void> DrainWorker(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  TUTTI_ASSIGN_OR_RETURN(const WorkerId worker, FindWorker(context, request));
  TUTTI_ASSIGN_OR_RETURN(const bool checkpoint, FlagOf(request, "checkpoint"));
  using enum core::WorkerDrained::Drain;
  DrainAndAnswer(context, worker, checkpoint ? kCheckpoint : kFinish, "draining", respond);
  return {};
}

Result<void> UndrainWorker(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  TUTTI_ASSIGN_OR_RETURN(const WorkerId worker, FindWorker(context, request));
  DrainAndAnswer(context, worker, core::WorkerDrained::Drain::kEnd, "in service", respond);
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/workers", Role::kReader, ListWorkers},
    {Method::kPost, "/api/v1/workers/NAME/drain", Role::kOperator, DrainWorker},
    {Method::kPost, "/api/v1/workers/NAME/undrain", Role::kOperator, UndrainWorker},
};

}  // namespace

std::span<const Route> WorkerRoutes() { return kRoutes; }

}  // namespace tutti::server
