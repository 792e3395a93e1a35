#include "common/network/home_socket.h"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tutti::network {

Result<HomeSocketAddress> HomeSocketAddress::In(const std::filesystem::path& home) {
  const int descriptor = ::open(home.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return FailErrno(errno, fmt::format("cannot open the home {}", home.string()));
  std::string path = (home / kSocketName).string();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) path = fmt::format("/proc/self/fd/{}/{}", descriptor, kSocketName);
  return HomeSocketAddress(descriptor, std::move(path));
}

HomeSocketAddress::HomeSocketAddress(HomeSocketAddress&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

HomeSocketAddress::~HomeSocketAddress() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace tutti::network
