#include "coordinator/server/garbage.h"

#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

GarbageSearch SearchFor(const core::Core& core) {
  GarbageSearch search;
  search.trains = false;
  for (const AttemptRecord& attempt : core.records().attempts) {
    if (attempt.state == AttemptState::kEnded) {
      search.ended.push_back(attempt.id);
    } else {
      search.trains = true;
    }
  }
  return search;
}

Result<Json> Collect(FileSystem& files, const std::filesystem::path& home, const GarbageSearch& search, bool dry_run) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<Garbage> garbage, FindGarbage(files, home, search));
  if (!dry_run) TUTTI_RETURN_IF_ERROR(RemoveGarbage(files, home, garbage));
  return GarbageView(garbage, !dry_run);
}

Result<void> CollectGarbage(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const bool dry_run, FlagOf(request, "dry_run"));
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  context.executor.Flush();
  context.executor.OnDisk(
      [files = context.files, home = context.home, search = SearchFor(context.executor.core()), dry_run, respond] {
        const auto view = Collect(*files, home, search, dry_run);
        respond(view ? JsonResponse(*view) : ProblemResponse(view.error()));
      });
  return {};
}

constexpr Route kRoutes[] = {{Method::kPost, "/api/v1/gc", Role::kOperator, CollectGarbage}};

}  // namespace

std::span<const Route> GarbageRoutes() { return kRoutes; }

}  // namespace tutti::server
