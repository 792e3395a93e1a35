#include "coordinator/server/event_feed.h"
#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

// Where a watcher stands: the browser's header of one that comes again, else what it asks for.
Result<std::optional<FeedPosition>> PositionIn(const HttpRequest& request) {
  std::string text = request.last_event_id;
  if (const auto after = request.query.find("after"); text.empty() && after != request.query.end()) {
    text = after->second;
  }
  if (text.empty()) return std::nullopt;
  TUTTI_ASSIGN_OR_RETURN(const FeedPosition position, FeedPosition::Parse(text));
  return position;
}

Result<void> FollowAll(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const auto after, PositionIn(request));
  respond(EventStreamResponse(context.executor.feed().Follow(after, std::nullopt)));
  return {};
}

Result<void> FollowEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  TUTTI_ASSIGN_OR_RETURN(const auto after, PositionIn(request));
  respond(EventStreamResponse(context.executor.feed().Follow(after, ensemble.id)));
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/events", Role::kReader, FollowAll},
    {Method::kGet, "/api/v1/ensembles/ID/events", Role::kReader, FollowEnsemble},
};

}  // namespace

std::span<const Route> EventRoutes() { return kRoutes; }

}  // namespace tutti::server
