#include "worker/agent/worker_name.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "common/hash.h"
#include "common/network/secret.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

constexpr int kMostWorkers = 4096;  // of one host
constexpr size_t kMarkDigits = 12;

bool IsStill(const OwnedDescriptor& opened, const fs::path& file) {
  struct stat held = {}, there = {};
  return ::fstat(opened.get(), &held) == 0 && ::stat(file.c_str(), &there) == 0 && held.st_ino == there.st_ino;
}

// Empty: another has it.
Result<std::optional<OwnedDescriptor>> TryHold(const fs::path& file) {
  OwnedDescriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (opened.get() < 0) return FailErrno(errno, fmt::format("cannot hold the worker's name by {}", file.string()));
  if (::flock(opened.get(), LOCK_EX | LOCK_NB) == 0) {
    // Who had it may have removed it since it was opened: then the lock is worth nothing.
    if (IsStill(opened, file)) return opened;
    return TryHold(file);
  }
  if (errno == EWOULDBLOCK) return std::nullopt;
  return FailErrno(errno, fmt::format("cannot hold the worker's name by {}", file.string()));
}

}  // namespace

Result<WorkerName> WorkerName::Hold(const fs::path& folder, const std::string& mark,
                                    const std::optional<std::string>& wanted, const std::string& base) {
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(folder));
  for (int number = 1; number <= kMostWorkers; ++number) {
    const std::string name = wanted ? *wanted : number == 1 ? base : fmt::format("{}-{}", base, number);
    if (!IsValidName(name)) {
      return Fail(ErrorCode::kInvalid, "'{}' cannot be a worker's name: letters, digits, '.', '_' and '-' make one",
                  name);
    }
    fs::path file = folder / fmt::format("{}.{}.name", name, HashText(mark).substr(0, kMarkDigits));
    TUTTI_ASSIGN_OR_RETURN(std::optional<OwnedDescriptor> lock, TryHold(file));
    if (lock) return WorkerName(WorkerId(name), std::move(file), std::move(*lock));
    if (wanted) return Fail(ErrorCode::kConflict, "another worker of this host is named {}: choose another name", name);
  }
  return Fail(ErrorCode::kConflict, "{} workers run on this host already", kMostWorkers);
}

WorkerName::~WorkerName() {
  if (lock_.get() < 0) return;
  std::error_code ignored;
  fs::remove(file_, ignored);
}

}  // namespace tutti::worker
