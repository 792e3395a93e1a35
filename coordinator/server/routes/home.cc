#include <unistd.h>

#include "common/clock.h"
#include "coordinator/server/access.h"
#include "coordinator/server/provenance.h"
#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

Result<void> ShowHealth(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  respond(JsonResponse({{"generation", context.catalog.generation().value},
                        {"pid", ::getpid()},
                        {"version", Version()},
                        {"time", FormatTime(SystemClock().Now())}}));
  return {};
}

Result<void> ShowHome(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const std::string mark, ReadOrMakeMark(*context.files, context.home));
  respond(JsonResponse({{"home", context.home.string()}, {"mark", mark}}));
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/healthz", Role::kReader, ShowHealth},
    {Method::kGet, "/api/v1/home", Role::kOperator, ShowHome},
};

}  // namespace

std::span<const Route> HomeRoutes() { return kRoutes; }

}  // namespace tutti::server
