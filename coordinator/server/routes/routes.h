// The tables of routes, one for each file of this folder.
#pragma once

#include <span>

#include "coordinator/server/routes/route.h"

namespace tutti::server {

std::span<const Route> HomeRoutes();
std::span<const Route> EnsembleRoutes();
std::span<const Route> SubmissionRoutes();
std::span<const Route> ControlRoutes();
std::span<const Route> MemberRoutes();
std::span<const Route> ArtifactRoutes();
std::span<const Route> WorkerRoutes();
std::span<const Route> TransferRoutes();
std::span<const Route> MetricsRoutes();
std::span<const Route> EventRoutes();
std::span<const Route> PlanRoutes();
std::span<const Route> GarbageRoutes();
std::span<const Route> FileRoutes();
std::span<const Route> NodeRoutes();

}  // namespace tutti::server
