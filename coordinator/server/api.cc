#include "coordinator/server/api.h"

#include <span>
#include <string_view>
#include <vector>

#include "coordinator/server/routes/routes.h"
#include "coordinator/server/without_paths.h"

namespace tutti::server {
namespace {

using Table = std::span<const Route> (*)();
constexpr Table kTables[] = {HomeRoutes,     EnsembleRoutes, SubmissionRoutes, ControlRoutes, MemberRoutes,
                             ArtifactRoutes, WorkerRoutes,   MetricsRoutes,    EventRoutes,   PlanRoutes,
                             GarbageRoutes,  TransferRoutes, FileRoutes,       NodeRoutes};

std::vector<Route> RoutesThatFit(const HttpRequest& request) {
  std::vector<Route> fitting;
  for (const Table table : kTables) {
    for (const Route& route : table()) {
      if (route.Fits(request)) fitting.push_back(route);
    }
  }
  return fitting;
}

std::string_view WordOf(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      return "this method";
  }
  TUTTI_CHECK(false);
}

HttpResponse OtherMethods(const HttpRequest& request, const std::vector<Route>& routes) {
  std::string methods;
  for (const Route& route : routes) methods += fmt::format("{}{}", methods.empty() ? "" : ", ", WordOf(route.method));
  HttpResponse response =
      ProblemResponse(Error{ErrorCode::kInvalid, fmt::format("{} knows {} only", request.path, methods), nullptr}, 405);
  response.headers.emplace_back("Allow", methods);
  return response;
}

}  // namespace

void Api::Handle(const HttpRequest& request, const Respond& respond) {
  const std::vector<Route> fitting = RoutesThatFit(request);
  for (const Route& route : fitting) {
    if (route.method != request.method) continue;
    if (request.role < route.least) return respond(ProblemResponse(ReadersLookOnly().value()));
    return HandleRoute(route, request,
                       request.role == Role::kReader ? ForReaders(respond, context_.home.string()) : respond);
  }
  if (fitting.empty()) {
    return respond(ProblemResponse(Error{ErrorCode::kNotFound, "there is no " + request.path, nullptr}));
  }
  respond(OtherMethods(request, fitting));
}

// What goes wrong while an answer is made is no reason to end what is trained. (What goes wrong while an event is
// handled is: the executor sees to that itself.)
void Api::HandleRoute(const Route& route, const HttpRequest& request, const Respond& respond) {
  try {
    const auto handled = route.handle(context_, request, respond);
    if (!handled) respond(ProblemResponse(handled.error()));
  } catch (const std::exception& error) {
    respond(BrokenDown(error));
  }
}

}  // namespace tutti::server
