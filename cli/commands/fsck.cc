// tutti fsck
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/home.h"
#include "storage/catalog/catalog.h"
#include "storage/fsck/check.h"
#include "storage/fsck/rebuild.h"

namespace tutti::cli {
namespace {

struct Options {
  bool rebuild = false;
  HomeOption home;
};

void PrintProblems(const std::vector<storage::Problem>& problems) {
  for (const storage::Problem& problem : problems) {
    Print(fmt::format("{}: {}: {}\n", storage::Name(problem.kind), problem.path.string(), problem.text));
  }
}

Result<int> CheckHome(const std::filesystem::path& home) {
  if (!PosixFileSystem().Exists(home / "catalog")) {
    return Fail(ErrorCode::kNotFound, "there is no catalog in {}; `tutti fsck --rebuild` makes one of what is there",
                home.string());
  }
  // While somebody trains, rows and folders differ for moments, which would look like losses. A home that cannot be
  // written to is checked without the lock.
  const auto lock = storage::HomeLock::Acquire(home);
  if (!lock && lock.error().code == ErrorCode::kConflict) return tl::unexpected<Error>(lock.error());
  std::vector<std::string> damaged;
  TUTTI_ASSIGN_OR_RETURN(const Records records, storage::Catalog::ReadNewest(PosixFileSystem(), home, &damaged));
  TUTTI_ASSIGN_OR_RETURN(storage::CheckReport report, storage::Check(PosixFileSystem(), home, records));
  for (std::string& generation : damaged) {
    report.problems.push_back({storage::ProblemKind::kDamaged, home / "catalog", std::move(generation)});
  }
  PrintProblems(report.problems);
  Print(fmt::format("ensembles: {}, checkpoints: {}, read: {}; {}\n", report.ensembles, report.checkpoints,
                    FormatBytes(report.bytes),
                    report.alarms() == 0 ? "nothing is lost" : fmt::format("{} alarms", report.alarms())));
  return report.alarms() == 0 ? kExitDone : kExitFailed;
}

Result<int> RebuildCatalog(const std::filesystem::path& home) {
  if (!PosixFileSystem().Exists(home)) return Fail(ErrorCode::kNotFound, "there is no home at {}", home.string());
  TUTTI_ASSIGN_OR_RETURN(const auto lock, storage::HomeLock::Acquire(home));
  const auto rebuilt = storage::Rebuild(PosixFileSystem(), home);
  if (!rebuilt) return tl::unexpected(WithWaysToMakeRoom(rebuilt.error(), home));
  PrintProblems(rebuilt->problems);
  TUTTI_ASSIGN_OR_RETURN(const Records records, rebuilt->catalog.Load());
  Print(fmt::format("generation {} of the catalog is made anew; ensembles: {}, checkpoints: {}, left out: {}\n",
                    rebuilt->catalog.generation().value, records.ensembles.size(), records.checkpoints.size(),
                    rebuilt->problems.size()));
  return rebuilt->problems.empty() ? kExitDone : kExitFailed;
}

int CheckOrRebuild(const Options& options) {
  const std::filesystem::path home = options.home.Find();
  const auto done = options.rebuild ? RebuildCatalog(home) : CheckHome(home);
  if (done) return *done;
  return EndWith(done.error());
}

}  // namespace

void AddFileSystemCheck(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("fsck", "Hold the catalog against every checkpoint and all predictions, by hash");
  command->add_flag("--rebuild", options->rebuild, "Make the catalog anew from the folders alone");
  options->home.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return CheckOrRebuild(*options); }; });
}

}  // namespace tutti::cli
