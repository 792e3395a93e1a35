#include "cli/experiment.h"

#include "cli/console.h"
#include "common/spec/parse.h"

namespace tutti::cli {

std::optional<Experiment> ReadExperiment(const std::string& file, const std::vector<std::string>& overrides) {
  auto parsed = spec::ParseFile(file, overrides);
  if (!parsed) {
    for (const spec::Diagnostic& diagnostic : parsed.error()) PrintToError(diagnostic.Text() + "\n");
    return std::nullopt;
  }
  return Experiment{std::move(parsed->spec), std::move(parsed->text)};
}

}  // namespace tutti::cli
