#include "cli/experiment.h"

#include "cli/console.h"
#include "common/file_system.h"
#include "common/spec/parse.h"

namespace tutti::cli {

std::optional<Experiment> ReadExperiment(const std::string& file, const std::vector<std::string>& overrides) {
  auto parsed = spec::ParseFile(PosixFileSystem(), file, overrides);
  if (!parsed) {
    for (const spec::Diagnostic& diagnostic : parsed.error()) PrintToError(diagnostic.Text() + "\n");
    return std::nullopt;
  }
  auto source = PosixFileSystem().Read(file);
  if (!source) {
    Complain(source.error());
    return std::nullopt;
  }
  return Experiment{std::move(*parsed), std::move(*source)};
}

}  // namespace tutti::cli
