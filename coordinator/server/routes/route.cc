#include "coordinator/server/routes/route.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "common/whole_number.h"
#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

bool StandsForAny(std::string_view segment) {
  return std::all_of(segment.begin(), segment.end(), [](char letter) { return letter >= 'A' && letter <= 'Z'; });
}

}  // namespace

bool Route::Fits(const HttpRequest& request) const {
  const HttpRequest wanted = ParseTarget(method, pattern);
  return std::equal(wanted.segments.begin(), wanted.segments.end(), request.segments.begin(), request.segments.end(),
                    [](const std::string& want, const std::string& got) { return want == got || StandsForAny(want); });
}

Result<EnsembleRecord> FindNamed(const RouteContext& context, const HttpRequest& request) {
  context.executor.Flush();  // what was asked before is in effect
  const std::vector<EnsembleRecord>& ensembles = context.executor.core().ensembles();
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, FindEnsemble(ensembles, request.segments[kEnsembleSegment]));
  return *std::ranges::find(ensembles, id, &EnsembleRecord::id);
}

Result<JobRecord> FindMember(const RouteContext& context, const HttpRequest& request) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  const std::string& name = request.segments[kMemberSegment];
  if (const JobRecord* job = context.executor.core().job({ensemble.id, name})) return *job;
  if (!IsValidName(name)) return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of a member", name);
  return Fail(ErrorCode::kNotFound, "{} has no member {}", ensemble.id, name);
}

Result<Stored> ReadStoredOf(const RouteContext& context, const EnsembleRecord& ensemble) {
  const std::string gone = ProblemOfFolder(*context.files, context.home, ensemble);
  if (!gone.empty()) return Fail(ErrorCode::kConflict, "{}: {}", ensemble.id, gone);
  return ReadStored(*context.files, context.home, ensemble);
}

Result<int64_t> NumberOf(const HttpRequest& request, const std::string& key, int64_t otherwise) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return otherwise;
  if (const auto number = ParseWholeNumber<int64_t>(found->second)) return *number;
  return Fail(ErrorCode::kInvalid, "{}={} is no whole number", key, found->second);
}

Result<bool> FlagOf(const HttpRequest& request, const std::string& key) {
  const auto found = request.query.find(key);
  if (found == request.query.end() || found->second == "false") return false;
  if (found->second == "true") return true;
  return Fail(ErrorCode::kInvalid, "{}={} is neither true nor false", key, found->second);
}

Result<int> PriorityIn(const Json& body) {
  const auto found = body.is_object() ? body.find("priority") : body.end();
  const bool whole = found != body.end() && found->is_number_integer();
  const bool possible = whole && *found >= -kMostPriority && *found <= kMostPriority;
  if (possible) return found->get<int>();
  return Fail(ErrorCode::kInvalid, "'priority' must be a whole number from {} to {}", -kMostPriority, kMostPriority);
}

tl::unexpected<Error> ReadersLookOnly() {
  return Fail(ErrorCode::kDenied, "this token is for looking only: the operator's token may do this");
}

Json Outcome(const EnsembleId& id, std::string_view outcome) { return {{"id", id.str()}, {"outcome", outcome}}; }

Result<void> CheckOpen(const RouteContext& context) {
  if (!context.executor.stopping()) return {};
  return Fail(ErrorCode::kUnreachable, "the coordinator is ending: start it again and repeat");
}

void SubmitAndAnswer(const RouteContext& context, core::Event event, const EnsembleId& id, std::string outcome,
                     const Respond& respond, std::optional<SubmissionKey> key) {
  const auto answer = [respond, id, outcome = std::move(outcome)] { respond(JsonResponse(Outcome(id, outcome))); };
  context.executor.Submit(std::move(event), answer, std::move(key));
}

void AnswerFromDisk(const RouteContext& context, const Respond& respond, std::function<HttpResponse()> make) {
  context.disk([respond, make = std::move(make)] {
    try {
      respond(make());
    } catch (const std::exception& error) {
      respond(BrokenDown(error));
    }
  });
}

HttpResponse BrokenDown(const std::exception& error) {
  spdlog::error("an answer could not be made: {}", error.what());
  return ProblemResponse(
      Error{ErrorCode::kInternal, fmt::format("the answer could not be made: {}", error.what()), nullptr});
}

}  // namespace tutti::server
