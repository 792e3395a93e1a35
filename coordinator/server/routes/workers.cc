#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

Result<void> ListWorkers(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  respond(JsonResponse(WorkersView(context.executor.core().workers())));
  return {};
}

constexpr Route kRoutes[] = {{Method::kGet, "/api/v1/workers", Role::kReader, ListWorkers}};

}  // namespace

std::span<const Route> WorkerRoutes() { return kRoutes; }

}  // namespace tutti::server
