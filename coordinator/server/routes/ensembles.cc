#include "coordinator/server/routes/routes.h"
#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

Result<void> ListEnsembles(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  // Experiments of thousands of members take their time: they are read elsewhere.
  const Records& all = context.executor.core().records();
  Records records;
  records.ensembles = all.ensembles;
  records.jobs = all.jobs;
  AnswerFromDisk(context, respond, [records = std::move(records), files = context.files, home = context.home] {
    return JsonResponse(EnsemblesView(records, ProblemsOf(*files, home, records)));
  });
  return {};
}

Result<void> ShowEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  Records records = context.executor.core().RecordsOf(ensemble.id);
  Live live = context.executor.LiveOf(records);
  AnswerFromDisk(
      context, respond,
      [records = std::move(records), live = std::move(live), ensemble, files = context.files, home = context.home] {
        const auto view = EnsembleView(records, ensemble.id, live, ReadStored(*files, home, ensemble));
        return view ? JsonResponse(*view) : ProblemResponse(view.error());
      });
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/ensembles", Role::kReader, ListEnsembles},
    {Method::kGet, "/api/v1/ensembles/ID", Role::kReader, ShowEnsemble},
};

}  // namespace

std::span<const Route> EnsembleRoutes() { return kRoutes; }

}  // namespace tutti::server
