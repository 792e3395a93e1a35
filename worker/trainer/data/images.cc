#include "worker/trainer/data/images.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/hash.h"
#include "worker/trainer/data/image_cache.h"
#include "worker/trainer/data/sources.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

// Decoding takes seconds; whoever holds the lock for longer hangs.
constexpr Duration kLockPatience = std::chrono::minutes(10);
// A file changed within the last moments may change again without its time showing it.
constexpr Duration kSettled = std::chrono::seconds(2);

// Where the files of one source stand in the cache.
//   STAMP.source         the key of the content, under a hash of where the files lie, how long and how old they are
//   CONTENT.images       the decoded images, under a hash of the files' bytes
//   CONTENT-SIDE.images  the same, each scaled to SIDE x SIDE
//   CONTENT.lock
struct Entry {
  fs::path images;
  std::optional<fs::path> scaled;  // where they are asked for
  fs::path lock;
};

Entry EntryOf(const fs::path& cache, const std::string& content, std::optional<int64_t> side) {
  Entry entry{cache / (content + ".images"), std::nullopt, cache / (content + ".lock")};
  if (side) entry.scaled = cache / fmt::format("{}-{}.images", content, *side);
  return entry;
}

struct Stamp {
  fs::path file;
  bool settled = true;
};

// Changes whenever a file is replaced, written or moved; costs a stat each.
Result<Stamp> StampOf(const Source& source, const std::vector<fs::path>& paths, const fs::path& cache) {
  const TimePoint now = SystemClock().Now();
  std::string text = fmt::format("{} {}", kImageCacheVersion, source.name);
  Stamp stamp;
  for (const fs::path& path : paths) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return FailErrno(errno, fmt::format("cannot read {}", path.string()));
    text += fmt::format("\n{} {} {} {} {}.{} {}.{}", fs::absolute(path).string(), status.st_dev, status.st_ino,
                        status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                        status.st_ctim.tv_nsec);
    const TimePoint modified{std::chrono::seconds(status.st_mtim.tv_sec)};
    stamp.settled = stamp.settled && modified + kSettled < now;
  }
  stamp.file = cache / (HashText(text) + ".source");
  return stamp;
}

// Nothing where the cache does not know these files: whatever is wrong with it, it is made anew.
std::optional<Images> OpenByStamp(const FileSystem& files, const Stamp& stamp, std::optional<int64_t> side,
                                  const fs::path& cache) {
  const Result<std::string> content = files.Read(stamp.file);
  if (!content) return std::nullopt;
  const Entry entry = EntryOf(cache, *content, side);
  Result<Images> images = MapImageFile(entry.scaled.value_or(entry.images));
  if (!images) return std::nullopt;
  return std::move(*images);
}

Result<std::vector<SourceFile>> ReadAll(const FileSystem& files, const std::vector<fs::path>& paths) {
  std::vector<SourceFile> contents;
  for (const fs::path& path : paths) {
    TUTTI_ASSIGN_OR_RETURN(std::string bytes, files.Read(path));
    contents.push_back({path, std::move(bytes)});
  }
  return contents;
}

std::string ContentKey(const Source& source, std::span<const SourceFile> contents) {
  Hasher hasher;
  hasher.Update(std::as_bytes(std::span(source.name)));
  for (const SourceFile& file : contents) {
    const std::string size = fmt::format(" {} {} ", kImageCacheVersion, file.bytes.size());
    hasher.Update(std::as_bytes(std::span(size)));
    hasher.Update(std::as_bytes(std::span(file.bytes)));
  }
  return hasher.Digest();
}

bool MustBeMade(const Result<Images>& images) {
  return !images && (images.error().code == ErrorCode::kNotFound || images.error().code == ErrorCode::kCorrupt);
}

// What the cache does wrong is the disk's fault, never the data's.
tl::unexpected<Error> FailInCache(Error error, const fs::path& cache) {
  if (error.code == ErrorCode::kNotFound || error.code == ErrorCode::kCorrupt) error.code = ErrorCode::kIo;
  return FailBecause(std::move(error), "cannot use the cache of decoded images {}", cache.string());
}

DecodedImages Scaled(const Images& images, int64_t side) {
  constexpr int64_t kAtOnce = 512;
  const int64_t samples = images.pixels.size(0);
  const std::span labels(images.labels.const_data_ptr<int64_t>(), static_cast<size_t>(samples));
  DecodedImages scaled;
  scaled.channels = images.channels(), scaled.height = side, scaled.width = side;
  scaled.training_samples = images.training_samples, scaled.test_samples = images.test_samples;
  scaled.classes = images.classes;
  scaled.labels.assign(labels.begin(), labels.end());
  scaled.pixels.resize(static_cast<size_t>(samples * scaled.channels * side * side));
  const at::Tensor into = at::from_blob(scaled.pixels.data(), {samples, scaled.channels, side, side}, at::kByte);
  for (int64_t begin = 0; begin < samples; begin += kAtOnce) {
    const int64_t count = std::min(kAtOnce, samples - begin);
    const at::Tensor piece = images.pixels.narrow(0, begin, count).to(at::kFloat);
    const at::Tensor pixels = at::_upsample_bilinear2d_aa(piece, {side, side}, /*align_corners=*/false);
    into.narrow(0, begin, count).copy_(pixels.round().clamp(0, 255));
  }
  return scaled;
}

struct Made {
  DecodedImages images;
  std::string data_hash;
};

// The file as `make` says, where it is not there yet.
Result<Images> MapOrMake(FileSystem& files, const fs::path& path, const std::function<Result<Made>()>& make) {
  Result<Images> images = MapImageFile(path);
  if (!MustBeMade(images)) return images;
  TUTTI_ASSIGN_OR_RETURN(const Made made, make());
  const auto written = WriteImageFile(files, path, made.images, made.data_hash);
  images = written.and_then([&] { return MapImageFile(path); });
  if (!images) return FailInCache(std::move(images.error()), path.parent_path());
  return images;
}

Result<Images> MapOrMake(FileSystem& files, const Source& source, std::span<const SourceFile> contents,
                         const Entry& entry, std::optional<int64_t> side) {
  auto images = MapOrMake(files, entry.images, [&]() -> Result<Made> {
    TUTTI_ASSIGN_OR_RETURN(DecodedImages decoded, source.decode(contents));
    std::string hash = HashOf(decoded);
    return Made{std::move(decoded), std::move(hash)};
  });
  if (!images || !side) return images;
  return MapOrMake(files, *entry.scaled, [&]() -> Result<Made> {
    return Made{Scaled(*images, *side), images->data_hash};
  });
}

Result<Images> OpenUnderLock(FileSystem& files, const Source& source, const std::vector<fs::path>& paths,
                             const Stamp& stamp, std::optional<int64_t> side, const fs::path& cache) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<SourceFile> contents, ReadAll(files, paths));
  const std::string content = ContentKey(source, contents);
  const Entry entry = EntryOf(cache, content, side);
  const auto lock =
      files.CreateDirectories(cache).and_then([&] { return CacheLock::Acquire(entry.lock, kLockPatience); });
  if (!lock) return FailInCache(lock.error(), cache);
  Result<Images> images = MapOrMake(files, source, contents, entry, side);
  if (!images || !stamp.settled) return images;
  const auto stamped = WriteFileDurably(files, stamp.file, content);
  if (!stamped) return FailInCache(stamped.error(), cache);
  return images;
}

}  // namespace

Result<Images> OpenImages(const spec::DataSpec& data, std::optional<int64_t> side, const fs::path& cache) {
  FileSystem& files = PosixFileSystem();
  TUTTI_ASSIGN_OR_RETURN(const Source source, FindSource(data.source));
  TUTTI_ASSIGN_OR_RETURN(const std::vector<fs::path> paths, source.find(files, data));
  TUTTI_ASSIGN_OR_RETURN(const Stamp stamp, StampOf(source, paths, cache));
  if (std::optional<Images> images = OpenByStamp(files, stamp, side, cache)) return std::move(*images);
  return OpenUnderLock(files, source, paths, stamp, side, cache);
}

}  // namespace tutti::trainer
