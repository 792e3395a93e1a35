#include <set>

#include "coordinator/server/listing.h"
#include "coordinator/server/routes/routes.h"
#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

// What the ensembles' summaries are made of.
Records RecordsFor(std::vector<EnsembleRecord> ensembles, const Records& all) {
  Records records;
  std::set<EnsembleId> shown;
  for (const EnsembleRecord& ensemble : ensembles) shown.insert(ensemble.id);
  for (const JobRecord& job : all.jobs) {
    if (shown.contains(job.id.ensemble)) records.jobs.push_back(job);
  }
  records.ensembles = std::move(ensembles);
  return records;
}

Result<void> ListEnsembles(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const ListingQuery query, ParseListing(request));
  const Records& all = context.executor.core().records();
  Listing listing = SelectEnsembles(all.ensembles, query);
  // Experiments of thousands of members take their time: they are read elsewhere.
  AnswerFromDisk(context, respond,
                 [records = RecordsFor(std::move(listing.ensembles), all), next = std::move(listing.next),
                  files = context.files, home = context.home, outlines = context.outlines] {
                   Json view = EnsemblesView(records, ProblemsOf(*files, home, records), *outlines);
                   if (next) view["next"] = *next;
                   return JsonResponse(view);
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
