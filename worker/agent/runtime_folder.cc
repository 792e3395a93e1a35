#include "worker/agent/runtime_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "agent-";
constexpr auto kLockDeadline = std::chrono::seconds(10);  // another agent makes or sweeps a few folders
constexpr auto kLockRetry = std::chrono::milliseconds(10);

Result<OwnedDescriptor> OpenFolder(const fs::path& path) {
  OwnedDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder.get() < 0) return FailErrno(errno, fmt::format("cannot open the runtime folder {}", path.string()));
  return folder;
}

Result<void> CheckPrivate(const OwnedDescriptor& folder, const fs::path& path) {
  struct stat status = {};
  if (::fstat(folder.get(), &status) != 0) return FailErrno(errno, fmt::format("cannot look at {}", path.string()));
  if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    return Fail(ErrorCode::kDenied,
                "the runtime folder {} belongs to another user or lets others in: remove it, `chmod 700` it, or choose "
                "another with XDG_RUNTIME_DIR",
                path.string());
  }
  return {};
}

bool TryLock(const OwnedDescriptor& folder) { return ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0; }

Result<void> LockWithin(const OwnedDescriptor& folder, const fs::path& path) {
  const auto deadline = std::chrono::steady_clock::now() + kLockDeadline;
  while (!TryLock(folder)) {
    if (std::chrono::steady_clock::now() > deadline) {
      return Fail(ErrorCode::kTimeout, "another worker holds the runtime folder {} for too long", path.string());
    }
    std::this_thread::sleep_for(kLockRetry);
  }
  return {};
}

// Folders whose owner is dead. The parent is locked, so that none is between its making and its locking.
void RemoveAbandoned(const fs::path& parent) {
  std::error_code error, ignored;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with(kPrefix)) continue;
    const Result<OwnedDescriptor> folder = OpenFolder(entry->path());
    if (folder && TryLock(*folder)) fs::remove_all(entry->path(), ignored);
  }
}

}  // namespace

fs::path DefaultRuntimeFolder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::error_code ignored;
  if (runtime != nullptr && *runtime == '/' && fs::is_directory(runtime, ignored)) return fs::path(runtime) / "tutti";
  return fmt::format("/tmp/tutti-{}", ::geteuid());
}

Result<RuntimeFolder> RuntimeFolder::Make(const fs::path& parent) {
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) {
    return FailErrno(errno, fmt::format("cannot make the runtime folder {}", parent.string()));
  }
  TUTTI_ASSIGN_OR_RETURN(const OwnedDescriptor shared, OpenFolder(parent));
  TUTTI_RETURN_IF_ERROR(CheckPrivate(shared, parent));
  TUTTI_RETURN_IF_ERROR(LockWithin(shared, parent));
  RemoveAbandoned(parent);
  std::string name = (parent / (std::string(kPrefix) + "XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) return FailErrno(errno, fmt::format("cannot make {}", name));
  TUTTI_ASSIGN_OR_RETURN(OwnedDescriptor own, OpenFolder(name));
  TUTTI_RETURN_IF_ERROR(LockWithin(own, name));
  return RuntimeFolder(name, std::move(own));
}

RuntimeFolder::~RuntimeFolder() {
  std::error_code ignored;
  if (lock_.get() >= 0) fs::remove_all(path_, ignored);
}

}  // namespace tutti::worker
