#include "worker/trainer/data/images.h"

#include <sys/stat.h>

#include <cerrno>
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
//   STAMP.source       the key of the content, under a hash of where the files lie, how long and how old they are
//   CONTENT.images     the decoded images, under a hash of the files' bytes
//   CONTENT.lock
struct Entry {
  fs::path images;
  fs::path lock;
};

Entry EntryOf(const fs::path& cache, const std::string& content) {
  return {cache / (content + ".images"), cache / (content + ".lock")};
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
std::optional<Images> OpenByStamp(const FileSystem& files, const Stamp& stamp, const fs::path& cache) {
  const Result<std::string> content = files.Read(stamp.file);
  if (!content) return std::nullopt;
  Result<Images> images = MapImageFile(EntryOf(cache, *content).images);
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

Result<Images> DecodeInto(FileSystem& files, const Source& source, std::span<const SourceFile> contents,
                          const Entry& entry) {
  TUTTI_ASSIGN_OR_RETURN(const DecodedImages decoded, source.decode(contents));
  const auto written = WriteImageFile(files, entry.images, decoded);
  auto images = written.and_then([&] { return MapImageFile(entry.images); });
  if (!images) return FailInCache(std::move(images.error()), entry.images.parent_path());
  return images;
}

Result<Images> OpenUnderLock(FileSystem& files, const Source& source, const std::vector<fs::path>& paths,
                             const Stamp& stamp, const fs::path& cache) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<SourceFile> contents, ReadAll(files, paths));
  const std::string content = ContentKey(source, contents);
  const Entry entry = EntryOf(cache, content);
  const auto lock =
      files.CreateDirectories(cache).and_then([&] { return CacheLock::Acquire(entry.lock, kLockPatience); });
  if (!lock) return FailInCache(lock.error(), cache);
  Result<Images> images = MapImageFile(entry.images);
  if (MustBeMade(images)) images = DecodeInto(files, source, contents, entry);
  if (!images || !stamp.settled) return images;
  const auto stamped = WriteFileDurably(files, stamp.file, content);
  if (!stamped) return FailInCache(stamped.error(), cache);
  return images;
}

}  // namespace

Result<Images> OpenImages(const spec::DataSpec& data, const fs::path& cache) {
  FileSystem& files = PosixFileSystem();
  TUTTI_ASSIGN_OR_RETURN(const Source source, FindSource(data.source));
  TUTTI_ASSIGN_OR_RETURN(const std::vector<fs::path> paths, source.find(data));
  TUTTI_ASSIGN_OR_RETURN(const Stamp stamp, StampOf(source, paths, cache));
  if (std::optional<Images> images = OpenByStamp(files, stamp, cache)) return std::move(*images);
  return OpenUnderLock(files, source, paths, stamp, cache);
}

}  // namespace tutti::trainer
