#include "worker/agent/runtime_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/hash.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "agent-";
constexpr std::string_view kLinkPrefix = "worker-";
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

void RemoveBrokenLinks(const fs::path& parent) {
  std::error_code error, ignored;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with(kLinkPrefix)) continue;
    if (!fs::exists(entry->path(), ignored)) fs::remove(entry->path(), ignored);
  }
}

// Short, since the paths of sockets are bounded.
std::string LinkName(const WorkerAddress& address) {
  return std::string(kLinkPrefix) + HashText(address.home.string() + "\n" + address.worker.str()).substr(0, 12);
}

// A former one is replaced at once: whoever looks finds the one or the other.
Result<fs::path> MakeLink(const fs::path& folder, const WorkerAddress& address) {
  const fs::path link = folder.parent_path() / LinkName(address);
  const fs::path made = folder / "link";
  if (::symlink(folder.filename().c_str(), made.c_str()) != 0 || ::rename(made.c_str(), link.c_str()) != 0) {
    return FailErrno(errno, fmt::format("cannot make the link {}", link.string()));
  }
  return link;
}

}  // namespace

fs::path DefaultRuntimeFolder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::error_code ignored;
  if (runtime != nullptr && *runtime == '/' && fs::is_directory(runtime, ignored)) return fs::path(runtime) / "tutti";
  return fmt::format("/tmp/tutti-{}", ::geteuid());
}

Result<fs::path> FindRankSocket(const fs::path& parent, const WorkerAddress& address) {
  for (const fs::path& candidate : {parent, DefaultRuntimeFolder()}) {
    const Result<OwnedDescriptor> folder = OpenFolder(candidate);
    if (!folder) continue;
    // Who could put a socket there would have us run what they like.
    TUTTI_RETURN_IF_ERROR(CheckPrivate(*folder, candidate));
    fs::path socket = candidate / LinkName(address) / kRankSocket;
    std::error_code ignored;
    if (fs::is_socket(socket, ignored)) return socket;
  }
  return Fail(ErrorCode::kNotFound, "no worker {} of the home {} runs on this machine", address.worker,
              address.home.string());
}

Result<RuntimeFolder> RuntimeFolder::Make(const fs::path& parent, const WorkerAddress& address) {
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) {
    return FailErrno(errno, fmt::format("cannot make the runtime folder {}", parent.string()));
  }
  TUTTI_ASSIGN_OR_RETURN(const OwnedDescriptor shared, OpenFolder(parent));
  TUTTI_RETURN_IF_ERROR(CheckPrivate(shared, parent));
  TUTTI_RETURN_IF_ERROR(LockWithin(shared, parent));
  RemoveAbandoned(parent);
  RemoveBrokenLinks(parent);
  std::string name = (parent / (std::string(kPrefix) + "XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) return FailErrno(errno, fmt::format("cannot make {}", name));
  TUTTI_ASSIGN_OR_RETURN(OwnedDescriptor own, OpenFolder(name));
  TUTTI_RETURN_IF_ERROR(LockWithin(own, name));
  TUTTI_ASSIGN_OR_RETURN(fs::path link, MakeLink(name, address));
  return RuntimeFolder(name, std::move(link), std::move(own));
}

RuntimeFolder::~RuntimeFolder() {
  if (lock_.get() < 0) return;
  std::error_code ignored;
  // A later agent of the same name may have taken it over.
  if (fs::read_symlink(link_, ignored) == path_.filename()) fs::remove(link_, ignored);
  fs::remove_all(path_, ignored);
}

}  // namespace tutti::worker
