// Where a home's API listens: HOME/coordinator.sock.
#pragma once

#include <filesystem>
#include <string>

#include "common/result.h"

namespace tutti::network {

inline constexpr const char* kSocketName = "coordinator.sock";

// An address for bind() and connect() of the home's socket that is short enough for any home: a socket's path may have
// 107 bytes, so a longer one goes through /proc/self/fd of the home's folder, which stays open while this object lives.
class HomeSocketAddress {
 public:
  // kNotFound when the home is not there.
  static Result<HomeSocketAddress> In(const std::filesystem::path& home);
  HomeSocketAddress(HomeSocketAddress&& other) noexcept;
  HomeSocketAddress& operator=(HomeSocketAddress&&) = delete;
  ~HomeSocketAddress();

  const std::string& path() const { return path_; }

 private:
  HomeSocketAddress(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_;
  std::string path_;
};

}  // namespace tutti::network
