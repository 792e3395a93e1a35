// Tensor files as bytes, made by hand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/tensors/tensor_file.h"

namespace tutti::tensors {

inline std::string LittleEndian(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  return bytes;
}

// A file with this header and as many bytes of data.
inline std::string FileOf(const std::string& header, size_t data_bytes) {
  return LittleEndian(header.size()) + header + std::string(data_bytes, '\1');
}

// A file in memory.
class MemoryFile : public WritableFile {
 public:
  Result<void> Append(std::span<const std::byte> bytes) override {
    contents_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  Result<void> Sync() override { return {}; }
  Result<void> Close() override { return {}; }
  const std::string& contents() const { return contents_; }

 private:
  std::string contents_;
};

}  // namespace tutti::tensors
