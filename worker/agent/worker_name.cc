#include "worker/agent/worker_name.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "common/network/secret.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

constexpr int kMostWorkers = 4096;  // of one host

// Empty: another has it.
Result<std::optional<OwnedDescriptor>> TryHold(const fs::path& file) {
  OwnedDescriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (opened.get() < 0) return FailErrno(errno, fmt::format("cannot hold the worker's name by {}", file.string()));
  if (::flock(opened.get(), LOCK_EX | LOCK_NB) == 0) return opened;
  if (errno == EWOULDBLOCK) return std::nullopt;
  return FailErrno(errno, fmt::format("cannot hold the worker's name by {}", file.string()));
}

}  // namespace

Result<WorkerName> WorkerName::Hold(const fs::path& folder, const std::optional<std::string>& wanted,
                                    const std::string& base) {
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(folder));
  for (int number = 1; number <= kMostWorkers; ++number) {
    const std::string name = wanted ? *wanted : number == 1 ? base : fmt::format("{}-{}", base, number);
    if (!IsValidName(name)) {
      return Fail(ErrorCode::kInvalid, "'{}' cannot be a worker's name: letters, digits, '.', '_' and '-' make one",
                  name);
    }
    TUTTI_ASSIGN_OR_RETURN(std::optional<OwnedDescriptor> lock, TryHold(folder / (name + ".name")));
    if (lock) return WorkerName(WorkerId(name), std::move(*lock));
    if (wanted) return Fail(ErrorCode::kConflict, "another worker of this host is named {}: choose another name", name);
  }
  return Fail(ErrorCode::kConflict, "{} workers run on this host already", kMostWorkers);
}

}  // namespace tutti::worker
