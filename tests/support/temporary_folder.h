// A folder of its own for a test, gone afterwards.
#pragma once

#include <filesystem>

namespace tutti::testing {

class TemporaryFolder {
 public:
  TemporaryFolder();  // aborts when none can be made
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& inside) const { return path_ / inside; }

 private:
  std::filesystem::path path_;
};

}  // namespace tutti::testing
