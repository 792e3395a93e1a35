#include "worker/trainer/data/idx.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "worker/trainer/data/byte_stream.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

constexpr int kUnsignedBytes = 0x08;  // the format's code for the type of the values

struct IdxArray {
  std::string name;  // of the file, for messages
  std::vector<int64_t> sizes;
  std::vector<uint8_t> values;
};

enum class Content { kImages, kLabels };

std::vector<std::string> Candidates(std::string_view part, Content content) {
  std::vector<std::string> names;
  for (const std::string_view packing : {"", ".gz"}) {
    for (const std::string_view separator : {"-", "."}) {
      if (content == Content::kLabels) {
        names.push_back(fmt::format("{}-labels{}idx1-ubyte{}", part, separator, packing));
        continue;
      }
      for (const int dimensions : {3, 4}) {
        names.push_back(fmt::format("{}-images{}idx{}-ubyte{}", part, separator, dimensions, packing));
      }
    }
  }
  return names;
}

// What a disk or a permission hides is not absent: it may be there at the next try.
Result<std::optional<FileInfo>> StatIfThere(const FileSystem& files, const fs::path& path) {
  auto info = files.Stat(path);
  if (info) return std::move(*info);
  if (info.error().code == ErrorCode::kNotFound) return std::nullopt;
  return tl::unexpected<Error>(std::move(info.error()));
}

Result<std::optional<fs::path>> FirstThatExists(const FileSystem& files, const fs::path& folder,
                                                const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    TUTTI_ASSIGN_OR_RETURN(const auto info, StatIfThere(files, folder / name));
    if (info) return folder / name;
  }
  return std::nullopt;
}

tl::unexpected<Error> FailMissing(const fs::path& folder, const std::vector<std::string>& names) {
  return Fail(ErrorCode::kNotFound,
              "no file {} (nor with '.' for the '-' before \"idx\", nor with .gz) in {}; put it there or set data.path",
              names.front(), folder.string());
}

// Images and labels, each where it is there.
struct PartFiles {
  std::optional<fs::path> images, labels;
};

Result<PartFiles> LookForPart(const FileSystem& files, const fs::path& folder, std::string_view part) {
  PartFiles found;
  TUTTI_ASSIGN_OR_RETURN(found.images, FirstThatExists(files, folder, Candidates(part, Content::kImages)));
  TUTTI_ASSIGN_OR_RETURN(found.labels, FirstThatExists(files, folder, Candidates(part, Content::kLabels)));
  return found;
}

// Appends the part's two files.
Result<void> AddPart(const PartFiles& part, const fs::path& folder, std::string_view name,
                     std::vector<fs::path>& files) {
  if (!part.images) return FailMissing(folder, Candidates(name, Content::kImages));
  if (!part.labels) return FailMissing(folder, Candidates(name, Content::kLabels));
  files.push_back(*part.images);
  files.push_back(*part.labels);
  return {};
}

uint32_t BigEndian(std::span<const std::byte, 4> bytes) {
  uint32_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<uint32_t>(byte);
  return value;
}

Result<uint32_t> ReadNumber(ByteStream& stream, const std::string& name) {
  std::array<std::byte, 4> bytes{};
  TUTTI_ASSIGN_OR_RETURN(const size_t count, stream.Read(bytes));
  if (count < bytes.size()) {
    return Fail(ErrorCode::kInvalid, "{} is cut off within its IDX header; fetch the file again", name);
  }
  return BigEndian(bytes);
}

// The number of dimensions that the magic number tells.
Result<int> ReadMagic(ByteStream& stream, const std::string& name, Content content) {
  TUTTI_ASSIGN_OR_RETURN(const uint32_t magic, ReadNumber(stream, name));
  if (magic >> 16 != 0) {
    return Fail(ErrorCode::kInvalid, "{} is no IDX file: it begins with 0x{:08x}; fetch the right file", name, magic);
  }
  const uint32_t type = magic >> 8;
  if (type != kUnsignedBytes) {
    return Fail(ErrorCode::kInvalid, "{} holds values of IDX type 0x{:02x}; convert them to unsigned bytes (0x08)",
                name, type);
  }
  const int dimensions = static_cast<int>(magic & 0xff);
  if (content == Content::kLabels && dimensions != 1) {
    return Fail(ErrorCode::kInvalid, "{} has {} dimensions, labels have 1; are images and labels exchanged?", name,
                dimensions);
  }
  if (content == Content::kImages && dimensions != 3 && dimensions != 4) {
    return Fail(ErrorCode::kInvalid,
                "{} has {} dimensions, images have 3 (samples, height, width) or 4 (samples, channels, height, width); "
                "are images and labels exchanged?",
                name, dimensions);
  }
  return dimensions;
}

Result<std::vector<int64_t>> ReadSizes(ByteStream& stream, const std::string& name, int dimensions) {
  std::vector<int64_t> sizes;
  for (int i = 0; i < dimensions; ++i) {
    TUTTI_ASSIGN_OR_RETURN(const uint32_t size, ReadNumber(stream, name));
    if (size == 0) {
      return Fail(ErrorCode::kInvalid, "{} is empty: its dimension {} is 0; fetch the file again", name, i);
    }
    sizes.push_back(size);
  }
  return sizes;
}

tl::unexpected<Error> FailShort(const std::string& name, uint64_t there, std::string_view expected) {
  return Fail(ErrorCode::kInvalid, "{} is cut off: {} bytes of values at most, its header tells {}; fetch it again",
              name, there, expected);
}

// The number of values, once it is known that the file can hold them: a header may say anything.
Result<size_t> CountValues(const ByteStream& stream, const std::string& name, std::span<const int64_t> sizes) {
  const uint64_t limit = stream.AtMostLeft();
  uint64_t count = 1;
  for (const int64_t size : sizes) {
    const uint64_t factor = static_cast<uint64_t>(size);
    if (count > limit / factor) return FailShort(name, limit, fmt::format("{}", fmt::join(sizes, " x ")));
    count *= factor;
  }
  return static_cast<size_t>(count);
}

Result<void> CheckEnd(ByteStream& stream, const std::string& name) {
  std::array<std::byte, 1> extra{};
  TUTTI_ASSIGN_OR_RETURN(const size_t count, stream.Read(extra));
  if (count == 0) return {};
  return Fail(ErrorCode::kInvalid, "{} goes on after the values that its header tells; fetch the file again", name);
}

Result<IdxArray> DecodeIdx(const SourceFile& file, Content content) {
  IdxArray array{file.path.string(), {}, {}};
  TUTTI_ASSIGN_OR_RETURN(ByteStream stream, ByteStream::Open(file.bytes, array.name));
  TUTTI_ASSIGN_OR_RETURN(const int dimensions, ReadMagic(stream, array.name, content));
  TUTTI_ASSIGN_OR_RETURN(array.sizes, ReadSizes(stream, array.name, dimensions));
  TUTTI_ASSIGN_OR_RETURN(const size_t count, CountValues(stream, array.name, array.sizes));
  array.values.resize(count);
  TUTTI_ASSIGN_OR_RETURN(const size_t there, stream.Read(std::as_writable_bytes(std::span(array.values))));
  if (there < count) return FailShort(array.name, there, fmt::format("{}", count));
  TUTTI_RETURN_IF_ERROR(CheckEnd(stream, array.name));
  return array;
}

struct Part {
  IdxArray images;
  IdxArray labels;

  int64_t samples() const { return images.sizes.front(); }
  std::vector<int64_t> image_shape() const {
    std::vector<int64_t> shape(images.sizes.begin() + 1, images.sizes.end());
    if (shape.size() == 2) shape.insert(shape.begin(), 1);  // grey
    return shape;
  }
};

Result<Part> DecodePart(const SourceFile& images, const SourceFile& labels) {
  Part part;
  TUTTI_ASSIGN_OR_RETURN(part.images, DecodeIdx(images, Content::kImages));
  TUTTI_ASSIGN_OR_RETURN(part.labels, DecodeIdx(labels, Content::kLabels));
  if (part.samples() != part.labels.sizes.front()) {
    return Fail(ErrorCode::kInvalid, "{} has {} images but {} has {} labels; fetch the two that belong together",
                part.images.name, part.samples(), part.labels.name, part.labels.sizes.front());
  }
  return part;
}

int HighestLabel(const Part& part) { return *std::max_element(part.labels.values.begin(), part.labels.values.end()); }

Result<void> CheckTestFits(const Part& training, const Part& test) {
  if (test.image_shape() != training.image_shape()) {
    return Fail(ErrorCode::kInvalid, "{} has images of {}, {} of {} (channels x height x width); they must agree",
                test.images.name, fmt::join(test.image_shape(), "x"), training.images.name,
                fmt::join(training.image_shape(), "x"));
  }
  const std::vector<uint8_t>& labels = test.labels.values;
  const int highest = HighestLabel(training);
  const auto stray = std::find_if(labels.begin(), labels.end(), [&](uint8_t label) { return label > highest; });
  if (stray != labels.end()) {
    return Fail(ErrorCode::kInvalid,
                "{}: label {} of sample {} is out of range: the labels of {} go from 0 to {}; fetch the two that "
                "belong together",
                test.labels.name, *stray, stray - labels.begin(), training.labels.name, highest);
  }
  return {};
}

void Append(DecodedImages& decoded, Part part) {
  if (decoded.pixels.empty()) {
    decoded.pixels = std::move(part.images.values);
  } else {
    decoded.pixels.insert(decoded.pixels.end(), part.images.values.begin(), part.images.values.end());
  }
  decoded.labels.insert(decoded.labels.end(), part.labels.values.begin(), part.labels.values.end());
}

}  // namespace

Result<std::vector<fs::path>> FindIdxFiles(const FileSystem& files, const spec::DataSpec& data) {
  TUTTI_ASSIGN_OR_RETURN(const auto folder, StatIfThere(files, data.path));
  if (!folder || !folder->is_directory) {
    return Fail(ErrorCode::kNotFound, "data.path: {} is no folder; set it to the one with the IDX files",
                data.path.string());
  }
  std::vector<fs::path> found;
  TUTTI_ASSIGN_OR_RETURN(const PartFiles training, LookForPart(files, data.path, "train"));
  TUTTI_RETURN_IF_ERROR(AddPart(training, data.path, "train", found));
  TUTTI_ASSIGN_OR_RETURN(const PartFiles test, LookForPart(files, data.path, "t10k"));
  const bool needs_test = std::holds_alternative<spec::DataSpec::SourceTest>(data.test);
  if (needs_test || test.images || test.labels) TUTTI_RETURN_IF_ERROR(AddPart(test, data.path, "t10k", found));
  return found;
}

Result<DecodedImages> DecodeIdxFiles(std::span<const SourceFile> files) {
  TUTTI_CHECK(files.size() == 2 || files.size() == 4);
  TUTTI_ASSIGN_OR_RETURN(Part training, DecodePart(files[0], files[1]));
  const std::vector<int64_t> shape = training.image_shape();
  DecodedImages decoded;
  decoded.channels = shape[0], decoded.height = shape[1], decoded.width = shape[2];
  decoded.training_samples = training.samples();
  decoded.classes = HighestLabel(training) + 1;
  if (files.size() == 2) {
    Append(decoded, std::move(training));
    return decoded;
  }
  TUTTI_ASSIGN_OR_RETURN(Part test, DecodePart(files[2], files[3]));
  TUTTI_RETURN_IF_ERROR(CheckTestFits(training, test));
  decoded.test_samples = test.samples();
  Append(decoded, std::move(training));
  Append(decoded, std::move(test));
  return decoded;
}

}  // namespace tutti::trainer
