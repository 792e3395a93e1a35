#include "common/tensors/tensor_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "common/json.h"

namespace tutti::tensors {
namespace {

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  size_t size_bytes;
};

constexpr auto kDTypes = std::to_array<DTypeInfo>({
    {DType::kBool, "BOOL", 1},
    {DType::kU8, "U8", 1},
    {DType::kI8, "I8", 1},
    {DType::kI16, "I16", 2},
    {DType::kI32, "I32", 4},
    {DType::kI64, "I64", 8},
    {DType::kF16, "F16", 2},
    {DType::kBF16, "BF16", 2},
    {DType::kF32, "F32", 4},
    {DType::kF64, "F64", 8},
});

const DTypeInfo& InfoOf(DType dtype) {
  for (const auto& info : kDTypes) {
    if (info.dtype == dtype) return info;
  }
  TUTTI_CHECK(false);
}

constexpr uint64_t kPrefixBytes = 8;                   // the header's length, little endian
constexpr uint64_t kMaximumHeaderBytes = 100'000'000;  // the format's own limit
constexpr uint64_t kAlignment = 8;
constexpr size_t kMaximumRank = 64;  // more is not data but an attack
constexpr std::string_view kMetadataKey = "__metadata__";

// What the header says of one array, not yet believed.
struct Entry {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<uint64_t>> shape;
  std::optional<std::vector<uint64_t>> offsets;
};

struct Header {
  std::vector<Entry> entries;
  Metadata metadata;
};

// Takes the header as it is parsed and stops at the first thing that does not belong there: no document is built, so
// that a hostile header costs no more memory than its text.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  const std::string& error() const { return error_; }
  Header TakeHeader() { return std::move(header_); }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a truth value"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a number that is not whole"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kNumbers) return Unexpected("a number");
    if (numbers_.size() >= kMaximumRank) return Refuse(fmt::format("'{}' has too many dimensions", EntryName()));
    numbers_.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      if (!header_.metadata.emplace(key_, value).second)
        return Refuse(fmt::format("metadata '{}' is there twice", key_));
      return true;
    }
    if (place_ == Place::kEntry && key_ == "dtype") return TakeDType(value);
    return Unexpected("a text");
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kTop;
        return true;
      case Place::kTop:
        if (key_ == kMetadataKey) {
          place_ = Place::kMetadata;
        } else {
          place_ = Place::kEntry;
          header_.entries.push_back({.name = key_, .dtype = {}, .shape = {}, .offsets = {}});
        }
        return true;
      default:
        return Unexpected("an object");
    }
  }

  bool key(string_t& key) override {
    key_ = key;
    if (place_ == Place::kTop && !names_.insert(key).second) return Refuse(fmt::format("'{}' is there twice", key));
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kEntry) {
      const Entry& entry = header_.entries.back();
      if (!entry.dtype || !entry.shape || !entry.offsets) {
        return Refuse(fmt::format("'{}' lacks its dtype, shape or data_offsets", entry.name));
      }
    }
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry || (key_ != "shape" && key_ != "data_offsets")) return Unexpected("a list");
    place_ = Place::kNumbers;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    Entry& entry = header_.entries.back();
    auto& target = key_ == "shape" ? entry.shape : entry.offsets;
    if (target) return Refuse(fmt::format("{} of '{}' is there twice", key_, entry.name));
    target = std::move(numbers_);
    numbers_ = {};
    place_ = Place::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    return Refuse(fmt::format("it is no JSON at byte {}", position));
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kEntry, kNumbers, kEnd };

  bool Refuse(std::string why) {
    error_ = std::move(why);
    return false;
  }
  bool Unexpected(std::string_view what) { return Refuse(fmt::format("{} does not belong at '{}'", what, key_)); }
  const std::string& EntryName() const { return header_.entries.back().name; }

  bool TakeDType(std::string_view name) {
    Entry& entry = header_.entries.back();
    if (entry.dtype) return Refuse(fmt::format("the dtype of '{}' is there twice", entry.name));
    for (const auto& info : kDTypes) {
      if (info.name == name) entry.dtype = info.dtype;
    }
    return entry.dtype.has_value() || Refuse(fmt::format("'{}' has the unknown dtype '{}'", entry.name, name));
  }

  Place place_ = Place::kStart;
  std::string key_;
  std::set<std::string, std::less<>> names_;
  std::vector<uint64_t> numbers_;
  Header header_;
  std::string error_;
};

tl::unexpected<Error> Corrupt(std::string_view why) {
  return Fail(ErrorCode::kCorrupt, "not a safetensors file: {}", why);
}

Result<Header> ReadHeader(std::string_view text) {
  if (!text.starts_with('{')) return Corrupt("its header does not begin with '{'");
  HeaderReader reader;
  if (!Json::sax_parse(text, &reader)) return Corrupt(reader.error());
  return reader.TakeHeader();
}

// The bytes of an array of this shape; nullopt when no such array can be.
std::optional<uint64_t> BytesOf(DType dtype, std::span<const uint64_t> shape) {
  uint64_t bytes = SizeBytes(dtype);
  for (const uint64_t dimension : shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes) || bytes > INT64_MAX || dimension > INT64_MAX) return {};
  }
  return bytes;
}

Result<void> CheckEntry(const Entry& entry, uint64_t data_bytes) {
  if (entry.offsets->size() != 2) return Corrupt(fmt::format("'{}' must have two data_offsets", entry.name));
  const uint64_t begin = entry.offsets->at(0), end = entry.offsets->at(1);
  if (begin > end || end > data_bytes) {
    return Corrupt(fmt::format("'{}' lies from {} to {} of {} bytes", entry.name, begin, end, data_bytes));
  }
  const auto bytes = BytesOf(*entry.dtype, *entry.shape);
  if (!bytes || *bytes != end - begin) {
    return Corrupt(fmt::format("'{}' has {} bytes, which is not what its shape needs", entry.name, end - begin));
  }
  return {};
}

// Sorts by place in the file and sees that the arrays fill the data without holes and overlaps.
Result<void> CheckLayout(std::vector<Entry>& entries, uint64_t data_bytes) {
  for (const Entry& entry : entries) TUTTI_RETURN_IF_ERROR(CheckEntry(entry, data_bytes));
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return *a.offsets < *b.offsets; });
  uint64_t reached = 0;
  for (const Entry& entry : entries) {
    if (entry.offsets->at(0) != reached) {
      return Corrupt(fmt::format("'{}' begins at {} where {} was expected", entry.name, entry.offsets->at(0), reached));
    }
    reached = entry.offsets->at(1);
  }
  if (reached != data_bytes) return Corrupt(fmt::format("{} bytes at its end belong to nothing", data_bytes - reached));
  return {};
}

uint64_t DecodeLength(std::string_view bytes) {
  uint64_t length = 0;
  for (size_t i = kPrefixBytes; i-- > 0;) length = (length << 8) | static_cast<unsigned char>(bytes[i]);
  return length;
}

// How long the header is of a file of so many bytes that begins with `start`.
Result<uint64_t> HeaderBytes(std::string_view start, uint64_t file_bytes) {
  if (start.size() < kPrefixBytes || file_bytes < kPrefixBytes) return Corrupt("it has less than 8 bytes");
  const uint64_t header_bytes = DecodeLength(start);
  if (header_bytes > kMaximumHeaderBytes) return Corrupt("its header would be longer than 100 MB");
  if (header_bytes > file_bytes - kPrefixBytes) return Corrupt("it ends within its header");
  return header_bytes;
}

std::string EncodeLength(uint64_t length) {
  std::string bytes;
  for (size_t i = 0; i < kPrefixBytes; ++i) bytes.push_back(static_cast<char>((length >> (8 * i)) & 0xff));
  return bytes;
}

Result<std::string> HeaderText(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  std::set<std::string_view> names{kMetadataKey};
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) return Fail(ErrorCode::kInvalid, "the tensor name '{}' is taken already", name);
    TUTTI_CHECK(tensor.bytes.size() == static_cast<size_t>(tensor.elements()) * SizeBytes(tensor.dtype));
    const uint64_t end = offset + tensor.bytes.size();
    Json entry = Json::object();
    entry["dtype"] = Name(tensor.dtype);
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {offset, end};
    header[name] = std::move(entry);
    offset = end;
  }
  try {
    std::string text = header.dump();
    text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
    return text;
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kInvalid, "a tensor's name or metadata is not UTF-8: {}", error.what());
  }
}

bool FitsShape(const TensorView& view, std::span<const int64_t> shape) {
  return std::equal(view.shape.begin(), view.shape.end(), shape.begin(), shape.end(),
                    [](int64_t actual, int64_t wanted) { return wanted == -1 || actual == wanted; });
}

}  // namespace

size_t SizeBytes(DType dtype) { return InfoOf(dtype).size_bytes; }
std::string_view Name(DType dtype) { return InfoOf(dtype).name; }

int64_t TensorView::elements() const {
  int64_t count = 1;
  for (const int64_t dimension : shape) count *= dimension;
  return count;
}

Result<void> WriteSafetensors(WritableFile& file, std::span<const NamedTensor> tensors, const Metadata& metadata) {
  TUTTI_ASSIGN_OR_RETURN(const std::string header, HeaderText(tensors, metadata));
  if (header.size() > kMaximumHeaderBytes) {
    return Fail(ErrorCode::kInvalid, "{} tensors need a header of more than 100 MB", tensors.size());
  }
  const std::string start = EncodeLength(header.size()) + header;
  TUTTI_RETURN_IF_ERROR(file.Append(std::as_bytes(std::span(start))));
  for (const NamedTensor& named : tensors) TUTTI_RETURN_IF_ERROR(file.Append(named.tensor.bytes));
  return {};
}

Result<void> CheckSafetensors(const FileSystem& files, const std::filesystem::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const std::string start, files.ReadRange(path, 0, kPrefixBytes));
  TUTTI_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  TUTTI_ASSIGN_OR_RETURN(const uint64_t header_bytes, HeaderBytes(start, info.size_bytes));
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.ReadRange(path, kPrefixBytes, header_bytes));
  TUTTI_ASSIGN_OR_RETURN(Header header, ReadHeader(text));
  return CheckLayout(header.entries, info.size_bytes - kPrefixBytes - header_bytes);
}

Result<TensorFile> TensorFile::Read(const FileSystem& files, const std::filesystem::path& path) {
  TUTTI_ASSIGN_OR_RETURN(std::string bytes, files.Read(path));
  auto file = Parse(std::move(bytes));
  if (!file) return FailBecause(std::move(file.error()), "cannot use {}", path.string());
  return file;
}

Result<TensorFile> TensorFile::Parse(std::string bytes) {
  TensorFile file;
  file.bytes_ = std::make_unique<const std::string>(std::move(bytes));
  const std::string_view text = *file.bytes_;
  TUTTI_ASSIGN_OR_RETURN(const uint64_t header_bytes, HeaderBytes(text, text.size()));
  TUTTI_ASSIGN_OR_RETURN(Header header, ReadHeader(text.substr(kPrefixBytes, header_bytes)));
  const auto data = std::as_bytes(std::span(text)).subspan(kPrefixBytes + header_bytes);
  TUTTI_RETURN_IF_ERROR(CheckLayout(header.entries, data.size()));

  file.metadata_ = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    TensorView view{*entry.dtype,
                    {entry.shape->begin(), entry.shape->end()},
                    data.subspan(entry.offsets->at(0), entry.offsets->at(1) - entry.offsets->at(0))};
    if (reinterpret_cast<uintptr_t>(view.bytes.data()) % SizeBytes(view.dtype) != 0) {
      file.realigned_.push_back(std::make_unique<std::byte[]>(view.bytes.size()));
      std::byte* copy = file.realigned_.back().get();
      std::copy(view.bytes.begin(), view.bytes.end(), copy);
      view.bytes = {copy, view.bytes.size()};
    }
    file.names_.push_back(entry.name);
    file.tensors_.emplace(entry.name, std::move(view));
  }
  return file;
}

Result<TensorView> TensorFile::Get(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return Fail(ErrorCode::kNotFound, "the file has no tensor '{}'", name);
  return found->second;
}

Result<TensorView> TensorFile::Get(std::string_view name, DType dtype, std::span<const int64_t> shape) const {
  TUTTI_ASSIGN_OR_RETURN(TensorView view, Get(name));
  if (view.dtype != dtype) {
    return Fail(ErrorCode::kCorrupt, "tensor '{}' is {}, not {}", name, Name(view.dtype), Name(dtype));
  }
  if (!FitsShape(view, shape)) {
    return Fail(ErrorCode::kCorrupt, "tensor '{}' has the shape [{}], not [{}]", name, fmt::join(view.shape, ", "),
                fmt::join(shape, ", "));
  }
  return view;
}

}  // namespace tutti::tensors
