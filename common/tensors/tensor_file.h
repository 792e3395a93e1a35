// Named arrays in a file, in Hugging Face's safetensors format (https://github.com/huggingface/safetensors): 8 bytes of
// header length, a JSON header, the data without holes. LibTorch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_system.h"
#include "common/result.h"

namespace tutti::tensors {

enum class DType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };
size_t SizeBytes(DType dtype);
std::string_view Name(DType dtype);  // safetensors' own: "F32"

// An array that someone else owns, row-major.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;

  int64_t elements() const;
  // The elements as T. The caller has checked dtype (TUTTI_CHECK on the element size).
  template <typename T>
  std::span<const T> As() const {
    TUTTI_CHECK(sizeof(T) == SizeBytes(dtype));
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

template <typename T>
TensorView ViewOf(DType dtype, std::vector<int64_t> shape, std::span<const T> elements) {
  return {dtype, std::move(shape), std::as_bytes(elements)};
}

struct NamedTensor {
  std::string name;
  TensorView tensor;
};

using Metadata = std::map<std::string, std::string>;

// Appends header and data to `file`, tensors in the order given (of falling element size where alignment matters to
// the reader: the data begins at a multiple of 8 bytes). The caller syncs. Errors: kInvalid for a name that is taken
// twice, reserved ("__metadata__") or not UTF-8; those of `file`.
Result<void> WriteSafetensors(WritableFile& file, std::span<const NamedTensor> tensors, const Metadata& metadata = {});

// Whether a file is one, by its header and its size: its data are not read. Errors: those of TensorFile::Read; kInvalid
// for what is no regular file.
Result<void> CheckSafetensors(const FileSystem& files, const std::filesystem::path& path);

// A file that was read whole; views stay valid as long as it lives, moved or not. Views are aligned to their elements.
class TensorFile {
 public:
  // Errors: kNotFound, kIo; kCorrupt for a header that is too long (100 MB), no JSON, has an unknown dtype, duplicate
  // or overlapping entries, holes, offsets beyond the end or sizes that do not fit their shape.
  static Result<TensorFile> Read(const FileSystem& files, const std::filesystem::path& path);
  static Result<TensorFile> Parse(std::string bytes);  // the same from memory

  const std::vector<std::string>& names() const { return names_; }  // in the order of their data
  const Metadata& metadata() const { return metadata_; }
  Result<TensorView> Get(std::string_view name) const;  // kNotFound
  // The same with a check of dtype and, where a size is not -1, shape. kCorrupt.
  Result<TensorView> Get(std::string_view name, DType dtype, std::span<const int64_t> shape) const;

 private:
  std::unique_ptr<const std::string> bytes_;             // never moved: its data stays where the views point
  std::vector<std::unique_ptr<std::byte[]>> realigned_;  // arrays that lie at odd addresses in the file
  std::vector<std::string> names_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  Metadata metadata_;
};

}  // namespace tutti::tensors
