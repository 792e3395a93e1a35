// The home: whether what keeps checkpoints safe works on its disk, and how much room there is.
#include <sys/statfs.h>

#include <cerrno>

#include "cli/doctor/checks.h"
#include "cli/doctor/home_trial.h"
#include "cli/doctor/judgements.h"
#include "common/file_system.h"

namespace tutti::cli {
namespace {

constexpr const char* kElsewhere = "another machine's; not looked at";

}  // namespace

Finding CheckHome(const Surroundings& around) {
  if (around.home.empty()) return Ok("home", kElsewhere);
  const std::filesystem::path folder = NearestThatIsThere(around.home);
  const auto tried = TryFolder(PosixFileSystem(), folder);
  if (!tried) {
    return Problem("home", tried.error().Text(),
                   "name a home with --home or TUTTI_HOME where you may write, on a disk that keeps its promises");
  }
  return Ok("home", folder == around.home
                        ? fmt::format("{}: makes, renames and syncs as it should", around.home.string())
                        : fmt::format("{} is not there yet and can be made", around.home.string()));
}

Finding CheckDisk(const Surroundings& around) {
  if (around.home.empty()) return Ok("disk", kElsewhere);
  const std::filesystem::path folder = NearestThatIsThere(around.home);
  struct statfs disk = {};
  if (::statfs(folder.c_str(), &disk) != 0) {
    const Error error = FailErrno(errno, folder.string()).value();
    return Problem("disk", error.Text(), "name another home with --home or TUTTI_HOME");
  }
  const auto block = static_cast<uint64_t>(disk.f_bsize);
  return JudgeDisk(static_cast<int64_t>(static_cast<uint32_t>(disk.f_type)), block * disk.f_blocks,
                   block * disk.f_bavail);
}

}  // namespace tutti::cli
