// Small IDX files for tests.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::trainer {

// A folder of its own, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tutti-data-XXXXXX").string();
    TUTTI_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string BigEndian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

inline std::string IdxHeader(const std::vector<uint32_t>& sizes, uint32_t type = 0x08) {
  std::string bytes = BigEndian(type << 8 | static_cast<uint32_t>(sizes.size()));
  for (const uint32_t size : sizes) bytes += BigEndian(size);
  return bytes;
}

inline std::string IdxOf(const std::vector<uint32_t>& sizes, const std::string& values) {
  return IdxHeader(sizes) + values;
}

// Pixels that tell where they come from: (start + 7 * position) mod 251.
inline std::string PixelRamp(size_t count, size_t start = 0) {
  std::string values;
  for (size_t i = 0; i < count; ++i) values.push_back(static_cast<char>((start + 7 * i) % 251));
  return values;
}

inline std::string Gzip(const std::string& bytes) {
  z_stream stream{};
  TUTTI_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, static_cast<uLong>(bytes.size())) + 32, '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  TUTTI_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline void WriteBytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline std::string ReadBytes(const std::filesystem::path& path) {
  std::stringstream contents;
  contents << std::ifstream(path, std::ios::binary).rdbuf();
  return contents.str();
}

inline const std::string kTrainImages = "train-images-idx3-ubyte";
inline const std::string kTrainLabels = "train-labels-idx1-ubyte";
inline const std::string kTestImages = "t10k-images-idx3-ubyte";
inline const std::string kTestLabels = "t10k-labels-idx1-ubyte";

// Six training and two test images of 3x4 with labels below 3.
inline void WriteSmallSource(const std::filesystem::path& folder) {
  WriteBytes(folder / kTrainImages, IdxOf({6, 3, 4}, PixelRamp(6 * 12)));
  WriteBytes(folder / kTrainLabels, IdxOf({6}, std::string("\0\1\2\0\1\2", 6)));
  WriteBytes(folder / kTestImages, IdxOf({2, 3, 4}, PixelRamp(2 * 12, 100)));
  WriteBytes(folder / kTestLabels, IdxOf({2}, std::string("\2\0", 2)));
}

// As files are that nobody has touched for a while.
inline void Settle(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::filesystem::last_write_time(entry.path(),
                                     std::filesystem::last_write_time(entry.path()) - std::chrono::hours(1));
  }
}

inline spec::DataSpec SourceAt(const std::filesystem::path& folder) {
  spec::DataSpec data;
  data.source = "idx";
  data.path = folder;
  return data;
}

}  // namespace tutti::trainer
