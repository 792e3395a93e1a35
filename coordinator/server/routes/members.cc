#include <algorithm>

#include "coordinator/server/log_stream.h"
#include "coordinator/server/member_views.h"
#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

// A log may be long: who wants more asks again from where this ended.
constexpr uint64_t kLogBytes = 1024 * 1024;

HttpResponse ResponseOf(const Result<Json>& view) { return view ? JsonResponse(*view) : ProblemResponse(view.error()); }

tl::unexpected<Error> NoSuchAttempt(const JobRecord& job, int64_t attempt) {
  return Fail(ErrorCode::kNotFound, "{} has no attempt {}: its newest is {}", job.id.str(), attempt, job.attempts);
}

Result<void> ListMembers(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  Records records = context.executor.core().RecordsOf(ensemble.id);
  Live live = context.executor.LiveOf(records);
  AnswerFromDisk(context, respond, [records = std::move(records), live = std::move(live), ensemble] {
    return JsonResponse({{"members", MembersView(records, ensemble, live)}});
  });
  return {};
}

Result<void> ShowMember(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(context, request));
  Records records = context.executor.core().RecordsOf(job.id.ensemble);
  Live live = context.executor.LiveOf(records);
  AnswerFromDisk(context, respond, [records = std::move(records), live = std::move(live), id = job.id] {
    return ResponseOf(MemberView(records, records.ensembles.front(), id, live));
  });
  return {};
}

Result<void> ShowMetrics(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(context, request));
  respond(ResponseOf(MemberMetricsView(context.executor.core().RecordsOf(job.id.ensemble), job.id)));
  return {};
}

// With follow, from there on as events; one that comes again says how far it got.
Result<void> FollowLogOf(const RouteContext& context, const HttpRequest& request, const JobRecord& job,
                         const Respond& respond) {
  const int newest = std::max(1, job.attempts);
  TUTTI_ASSIGN_OR_RETURN(int64_t attempt, NumberOf(request, "attempt", newest));
  TUTTI_ASSIGN_OR_RETURN(int64_t offset, NumberOf(request, "offset", 0));
  if (!request.last_event_id.empty()) {
    TUTTI_ASSIGN_OR_RETURN(const LogPlace seen, LogPlace::Parse(request.last_event_id));
    attempt = seen.attempt;
    offset = seen.offset;
  }
  if (attempt < 1 || attempt > newest) return NoSuchAttempt(job, attempt);
  respond(EventStreamResponse(FollowLog(context, job.id, {static_cast<int>(attempt), offset})));
  return {};
}

Result<void> ShowLog(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(context, request));
  TUTTI_ASSIGN_OR_RETURN(const bool follow, FlagOf(request, "follow"));
  if (follow) return FollowLogOf(context, request, job, respond);
  TUTTI_ASSIGN_OR_RETURN(const int64_t attempt, NumberOf(request, "attempt", job.attempts));
  TUTTI_ASSIGN_OR_RETURN(const int64_t offset, NumberOf(request, "offset", 0));
  if (job.attempts == 0) return Fail(ErrorCode::kNotFound, "{} has not started yet: it has no log", job.id.str());
  if (attempt < 1 || attempt > job.attempts) return NoSuchAttempt(job, attempt);
  const auto path = LogFile(context, {job.id, static_cast<int>(attempt)});
  AnswerFromDisk(context, respond, [path, offset, files = context.files] {
    auto text = files->ReadRange(path, static_cast<uint64_t>(offset), kLogBytes);
    // The attempt exists; its trainer has just not said anything.
    if (!text && text.error().code == ErrorCode::kNotFound) text = std::string();
    return text ? HttpResponse{200, "text/plain; charset=utf-8", std::move(*text)} : ProblemResponse(text.error());
  });
  return {};
}

Result<void> ShowWhy(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(context, request));
  respond(JsonResponse({{"reason", context.executor.core().Why(job.id)}}));
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/ensembles/ID/members", Role::kReader, ListMembers},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME", Role::kReader, ShowMember},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/metrics", Role::kReader, ShowMetrics},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/log", Role::kOperator, ShowLog},  // its lines name paths
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/why", Role::kReader, ShowWhy},
};

}  // namespace

std::span<const Route> MemberRoutes() { return kRoutes; }

}  // namespace tutti::server
