// Nodes on demand, as they were seen last.
#include "coordinator/server/node_keeper.h"
#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

Result<void> ShowNodes(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  if (context.nodes == nullptr) {
    return Fail(ErrorCode::kNotFound, "this coordinator asks for no nodes: `tutti coordinator --allocate slurm` does");
  }
  respond(JsonResponse(context.nodes->View()));
  return {};
}

constexpr Route kRoutes[] = {{Method::kGet, "/api/v1/nodes", Role::kReader, ShowNodes}};

}  // namespace

std::span<const Route> NodeRoutes() { return kRoutes; }

}  // namespace tutti::server
