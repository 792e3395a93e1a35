// What an ensemble is worth, as a table. Pure.
#pragma once

#include <filesystem>
#include <string>

#include "cli/render/documents.h"
#include "cli/render/text.h"

namespace tutti::cli {

// The figures on test, or on validation where there is no test: members' mean and deviation, the member that is best on
// validation, the ensembles; NLL first; then the answering ensemble's differences with their intervals.
std::string RenderReport(const ensemble::EnsembleReport& report, const Page& page);

// How an ensemble ended: its state, "9 of 10 members" where it is incomplete, how long after its submission, how long
// its members trained, what failed and why, the figures, and, unless `home` is empty, where its files are.
std::string RenderEnd(const EnsembleDocument& document, const std::filesystem::path& home, const Page& page);

}  // namespace tutti::cli
