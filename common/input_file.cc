#include "common/input_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/file_system.h"
#include "common/owned_descriptor.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

tl::unexpected<Error> FailPath(std::string_view what, const fs::path& path) {
  return FailErrno(errno, fmt::format("{} {}", what, path.string()));
}

// Non-blocking: a pipe to which nobody writes would not even open.
Result<OwnedDescriptor> OpenStream(const fs::path& path) {
  while (true) {
    const int number = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (number >= 0) return OwnedDescriptor(number);
    if (errno != EINTR) return FailPath("cannot open", path);
  }
}

// Until there are bytes, or their end.
Result<void> AwaitBytes(const OwnedDescriptor& stream, const fs::path& path, milliseconds patience) {
  pollfd waiting{stream.get(), POLLIN, 0};
  while (true) {
    const int ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
    if (ready > 0) return {};
    if (ready == 0) {
      return Fail(ErrorCode::kTimeout, "nothing has come from {} for {:g} s; let a program write to it, and end",
                  path.string(), std::chrono::duration<double>(patience).count());
    }
    if (errno != EINTR) return FailPath("cannot wait for", path);
  }
}

Result<std::string> ReadStream(const fs::path& path, uint64_t most_bytes, milliseconds patience) {
  TUTTI_ASSIGN_OR_RETURN(const OwnedDescriptor stream, OpenStream(path));
  std::string text;
  std::array<char, 65536> piece{};
  while (text.size() < most_bytes) {
    TUTTI_RETURN_IF_ERROR(AwaitBytes(stream, path, patience));
    const ssize_t count =
        ::read(stream.get(), piece.data(), std::min<uint64_t>(piece.size(), most_bytes - text.size()));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return FailPath("cannot read", path);
    if (count == 0) break;
    text.append(piece.data(), static_cast<size_t>(count));
  }
  return text;
}

}  // namespace

Result<std::string> ReadInput(const fs::path& path, uint64_t most_bytes, milliseconds patience) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return FailPath("cannot open", path);
  if (S_ISDIR(status.st_mode)) return Fail(ErrorCode::kInvalid, "cannot read {}: it is a folder", path.string());
  if (S_ISREG(status.st_mode)) return PosixFileSystem().ReadRange(path, 0, most_bytes);
  return ReadStream(path, most_bytes, patience);
}

}  // namespace tutti
