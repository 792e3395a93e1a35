#include <algorithm>

#include "coordinator/core/forecast.h"
#include "coordinator/server/forecast_view.h"
#include "coordinator/server/past.h"
#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

// Others' questions wait meanwhile.
constexpr auto kLongest = std::chrono::seconds(2);

core::Forecast MakeForecast(core::Core core, const Past& past, const core::EnsembleSubmitted& ensemble, TimePoint now) {
  const Estimates estimates = EstimatesFrom(past, now);
  const auto duration_of = [&](const JobId& job) -> std::optional<Duration> {
    if (job.ensemble != ensemble.id) return estimates.Left(job);
    const auto member = std::ranges::find(ensemble.spec.members, job.name, &spec::MemberSpec::name);
    return member == ensemble.spec.members.end() ? std::nullopt : estimates.Of(ensemble.spec.data, *member);
  };
  const auto end = std::chrono::steady_clock::now() + kLongest;
  const auto enough = [&] { return std::chrono::steady_clock::now() > end; };
  return core::ForecastOf(std::move(core), ensemble, duration_of, now, enough);
}

Result<void> PlanEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Json body, ParseJson(request.body));
  if (!body.is_object() || !body.contains("experiment")) {
    return Fail(ErrorCode::kInvalid, "the body must be an object with the key 'experiment'");
  }
  auto spec = spec::EnsembleFromJson(body["experiment"]);
  if (!spec) return FailBecause(std::move(spec.error()), "the key 'experiment' holds no resolved experiment");
  core::EnsembleSubmitted planned{EnsembleId(".plan"), std::move(*spec), "", 0};
  if (body.contains("priority")) {
    TUTTI_ASSIGN_OR_RETURN(planned.priority, PriorityIn(body));
  }
  context.executor.Flush();
  const core::Core& core = context.executor.core();
  // A std::function must be copyable; a core is not.
  auto copy = std::make_shared<core::Core>(core.Copy());
  AnswerFromDisk(context, respond,
                 [copy, past = PastOf(core), planned = std::move(planned), now = context.executor.Now()] {
                   return JsonResponse(ForecastView(MakeForecast(std::move(*copy), past, planned, now)));
                 });
  return {};
}

constexpr Route kRoutes[] = {{Method::kPost, "/api/v1/plan", Role::kOperator, PlanEnsemble}};

}  // namespace

std::span<const Route> PlanRoutes() { return kRoutes; }

}  // namespace tutti::server
