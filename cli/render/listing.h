// Many ensembles or workers, one a line; one ensemble with its members. Pure.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/render/documents.h"
#include "cli/render/next_command.h"
#include "cli/render/text.h"

namespace tutti::cli {

// {"ensembles": [...]} -> its entries. kInvalid.
Result<std::vector<EnsembleDocument>> ReadEnsembles(const Json& json);

std::string RenderListing(const std::vector<EnsembleDocument>& ensembles, const std::filesystem::path& home,
                          const NextCommand& next, const Page& page);

std::string RenderWorkers(const std::vector<WorkerDocument>& workers, const Page& page);

// What `tutti show` prints: how it stands, its members, and its figures once there are some.
std::string RenderShow(const EnsembleDocument& document, const std::filesystem::path& home, const NextCommand& next,
                       const Page& page);

}  // namespace tutti::cli
