#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "common/host_name.h"
#include "storage/catalog/catalog.h"

namespace tutti::storage {
namespace {

// A process that only looks (IsHeld) has the lock for a moment too.
constexpr auto kPatience = std::chrono::milliseconds(100);
constexpr auto kPause = std::chrono::milliseconds(5);

// "4711 n1": written by the holder for those who are refused.
std::string ReadHolder(int descriptor) {
  std::array<char, 512> text{};
  const ssize_t count = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string holder = count > 0 ? std::string(text.data(), static_cast<size_t>(count)) : "";
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  return holder;
}

tl::unexpected<Error> FailHeld(const std::filesystem::path& home, const std::string& holder) {
  if (holder.empty()) {  // it has the lock and has not written its name yet, or could not
    return Fail(ErrorCode::kConflict,
                "{} is held by another tutti, which did not leave its process id: use it through the commands (tutti "
                "list, tutti show), or stop it and try again",
                home.string());
  }
  const size_t space = holder.find(' ');
  const std::string pid = holder.substr(0, space);
  const std::string host = space == std::string::npos ? HostName() : holder.substr(space + 1);
  return Fail(ErrorCode::kConflict,
              "{} is held by another tutti, process {} on {}: use it through the commands (tutti list, tutti show), or "
              "stop it (kill {}) and try again",
              home.string(), pid, host, pid);
}

bool HasNoLocks(int system_errno) {
  return system_errno == ENOSYS || system_errno == ENOLCK || system_errno == EOPNOTSUPP;
}

Result<void> WriteHolder(int descriptor, const std::filesystem::path& path) {
  const std::string text = fmt::format("{} {}\n", ::getpid(), HostName());
  const ssize_t written =
      ::ftruncate(descriptor, 0) == 0 ? ::pwrite(descriptor, text.data(), text.size(), 0) : ssize_t{-1};
  if (written == std::ssize(text)) return {};
  const int cause = written < 0 ? errno : ENOSPC;  // a short write sets no errno: there was no room for more
  return FailErrno(cause, fmt::format("cannot write {}", path.string()));
}

}  // namespace

bool HomeLock::IsHeld(const std::filesystem::path& home) {
  const int descriptor = ::open((home / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const HomeLock look(descriptor);
  return ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Result<HomeLock> HomeLock::Acquire(const std::filesystem::path& home) {
  std::error_code error;
  std::filesystem::create_directories(home, error);
  if (error) return FailErrno(error.value(), fmt::format("cannot create folder {}", home.string()));

  const std::filesystem::path path = home / "lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return FailErrno(errno, fmt::format("cannot open {}", path.string()));
  HomeLock lock(descriptor);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) {
      if (std::chrono::steady_clock::now() > deadline) return FailHeld(home, ReadHolder(descriptor));
      std::this_thread::sleep_for(kPause);
      continue;
    }
    if (HasNoLocks(errno)) break;
    return FailErrno(errno, fmt::format("cannot lock {}", path.string()));
  }
  TUTTI_RETURN_IF_ERROR(WriteHolder(descriptor, path));
  return lock;
}

HomeLock::HomeLock(HomeLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

HomeLock& HomeLock::operator=(HomeLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

HomeLock::~HomeLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace tutti::storage
