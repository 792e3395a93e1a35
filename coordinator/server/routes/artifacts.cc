#include "coordinator/server/artifacts.h"

#include <algorithm>

#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

Result<void> ListArtifacts(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  std::vector<Artifact> artifacts = ArtifactsOf(context.executor.core().RecordsOf(ensemble.id), ensemble.id);
  std::erase_if(artifacts, [&](const Artifact& artifact) { return request.role < artifact.least(); });
  AnswerFromDisk(context, respond,
                 [artifacts = std::move(artifacts), folder = context.home / ensemble.id.str(), files = context.files] {
                   return JsonResponse(ArtifactsView(*files, folder, artifacts));
                 });
  return {};
}

Result<void> DownloadArtifact(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(context, request));
  const std::string& id = request.segments[kArtifactSegment];
  const std::vector<Artifact> artifacts = ArtifactsOf(context.executor.core().RecordsOf(ensemble.id), ensemble.id);
  const auto found = std::find_if(artifacts.begin(), artifacts.end(), [&](const auto& one) { return one.id == id; });
  if (found == artifacts.end()) return Fail(ErrorCode::kNotFound, "{} has no artifact {}", ensemble.id, id);
  if (request.role < found->least()) return ReadersLookOnly();
  const auto path = context.home / ensemble.id.str() / found->file;
  AnswerFromDisk(context, respond,
                 [path, range = request.range, files = context.files] { return Download(*files, path, range); });
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/ensembles/ID/artifacts", Role::kReader, ListArtifacts},
    {Method::kGet, "/api/v1/ensembles/ID/artifacts/AID", Role::kReader, DownloadArtifact},
};

}  // namespace

std::span<const Route> ArtifactRoutes() { return kRoutes; }

}  // namespace tutti::server
