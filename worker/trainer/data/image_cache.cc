#include "worker/trainer/data/image_cache.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "common/hash.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::array<char, 8> kMagic = {'T', 'U', 'T', 'T', 'I', 'I', 'M', 'G'};
constexpr int64_t kPage = 4096;

// The first page of the file; labels follow as int64, then from the next page on the pixels.
struct Header {
  std::array<char, 8> magic{};
  int64_t version = 0;
  int64_t training_samples = 0;
  int64_t test_samples = 0;
  int64_t classes = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::array<char, 32> data_hash{};
  std::array<char, 32> header_hash{};  // of all that stands before it

  int64_t samples() const { return training_samples + test_samples; }
  int64_t image_bytes() const { return channels * height * width; }
  int64_t pixels_offset() const { return (kPage + samples() * 8 + kPage - 1) / kPage * kPage; }
  int64_t file_bytes() const { return pixels_offset() + samples() * image_bytes(); }
};
static_assert(sizeof(Header) <= kPage);

std::string HashOfHeader(const Header& header) {
  return HashText({reinterpret_cast<const char*>(&header), offsetof(Header, header_hash)});
}

void SetHash(std::array<char, 32>& target, const std::string& hash) {
  TUTTI_CHECK(hash.size() == target.size());
  std::copy(hash.begin(), hash.end(), target.begin());
}

Header HeaderOf(const DecodedImages& decoded, const std::string& data_hash) {
  Header header;
  header.magic = kMagic;
  header.version = kImageCacheVersion;
  header.training_samples = decoded.training_samples;
  header.test_samples = decoded.test_samples;
  header.classes = decoded.classes;
  header.channels = decoded.channels;
  header.height = decoded.height;
  header.width = decoded.width;
  SetHash(header.data_hash, data_hash);
  SetHash(header.header_hash, HashOfHeader(header));
  return header;
}

tl::unexpected<Error> FailPath(std::string_view what, const fs::path& path) {
  return FailErrno(errno, fmt::format("{} {}", what, path.string()));
}

// A whole file in memory, read-only, as long as this lives.
class Mapping {
 public:
  Mapping(void* address, size_t size) : address_(address), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(address_, size_); }
  std::byte* at(int64_t offset) const { return static_cast<std::byte*>(address_) + offset; }
  int64_t size() const { return static_cast<int64_t>(size_); }

 private:
  void* address_;
  size_t size_;
};

Result<std::shared_ptr<const Mapping>> Map(const fs::path& path) {
  const OwnedDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FailPath("cannot open", path);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return FailPath("cannot read", path);
  const size_t size = static_cast<size_t>(status.st_size);
  if (size < static_cast<size_t>(kPage)) {
    return Fail(ErrorCode::kCorrupt, "{} is too short for its header; remove it", path.string());
  }
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) return FailPath("cannot map", path);
  ::madvise(address, size, MADV_WILLNEED);  // read ahead once instead of page by page in random order
  return std::make_shared<const Mapping>(address, size);
}

Result<Header> CheckedHeader(const Mapping& mapping, const fs::path& path) {
  Header header;
  std::memcpy(&header, mapping.at(0), sizeof(Header));
  const std::string hash = HashOfHeader(header);
  const bool whole = std::equal(hash.begin(), hash.end(), header.header_hash.begin());
  if (header.magic != kMagic || header.version != kImageCacheVersion || !whole) {
    return Fail(ErrorCode::kCorrupt, "{} has a damaged header; remove it", path.string());
  }
  if (mapping.size() != header.file_bytes()) {
    return Fail(ErrorCode::kCorrupt, "{} has {} bytes, its header tells {}; remove it", path.string(), mapping.size(),
                header.file_bytes());
  }
  return header;
}

// A label beyond the classes would be read as a place in memory.
Result<void> CheckLabels(const Mapping& mapping, const Header& header, const fs::path& path) {
  const std::span labels(reinterpret_cast<const int64_t*>(mapping.at(kPage)), static_cast<size_t>(header.samples()));
  const bool known = std::ranges::all_of(labels, [&](int64_t label) { return label >= 0 && label < header.classes; });
  if (known) return {};
  return Fail(ErrorCode::kCorrupt, "{} has a damaged label; remove it", path.string());
}

Images ImagesOn(std::shared_ptr<const Mapping> mapping, const Header& header) {
  const auto keep_alive = [mapping](void*) {};  // the deleter owns a share of the mapping
  Images images;
  images.pixels =
      at::from_blob(mapping->at(header.pixels_offset()),
                    {header.samples(), header.channels, header.height, header.width}, keep_alive, at::kByte);
  images.labels = at::from_blob(mapping->at(kPage), {header.samples()}, keep_alive, at::kLong);
  images.training_samples = header.training_samples;
  images.test_samples = header.test_samples;
  images.classes = static_cast<int>(header.classes);
  images.data_hash.assign(header.data_hash.begin(), header.data_hash.end());
  return images;
}

Result<void> AppendAll(WritableFile& file, const Header& header, const DecodedImages& decoded) {
  std::array<std::byte, kPage> page{};
  std::memcpy(page.data(), &header, sizeof(Header));
  TUTTI_RETURN_IF_ERROR(file.Append(page));
  TUTTI_RETURN_IF_ERROR(file.Append(std::as_bytes(std::span(decoded.labels))));
  page.fill(std::byte{0});
  const size_t padding = static_cast<size_t>(header.pixels_offset() - kPage - header.samples() * 8);
  TUTTI_RETURN_IF_ERROR(file.Append(std::span(page).first(padding)));
  return file.Append(std::as_bytes(std::span(decoded.pixels)));
}

}  // namespace

Result<CacheLock> CacheLock::Acquire(const fs::path& path, Duration patience) {
  CacheLock lock(OwnedDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
  if (lock.descriptor_.get() < 0) return FailPath("cannot open the lock", path);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto pause = std::chrono::milliseconds(1);
  while (::flock(lock.descriptor_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FailPath("cannot lock", path);
    if (std::chrono::steady_clock::now() >= deadline) {
      return Fail(ErrorCode::kTimeout, "{} is held by another process for more than {} s; end that or remove the cache",
                  path.string(), std::chrono::duration_cast<std::chrono::seconds>(patience).count());
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(100));
  }
  return lock;
}

std::string HashOf(const DecodedImages& decoded) {
  const std::array<int64_t, 6> sizes = {decoded.training_samples, decoded.test_samples, decoded.classes,
                                        decoded.channels,         decoded.height,       decoded.width};
  Hasher hasher;
  hasher.Update(std::as_bytes(std::span(sizes)));
  hasher.Update(std::as_bytes(std::span(decoded.labels)));
  hasher.Update(std::as_bytes(std::span(decoded.pixels)));
  return hasher.Digest();
}

Result<void> WriteImageFile(FileSystem& files, const fs::path& path, const DecodedImages& decoded,
                            const std::string& data_hash) {
  const Header header = HeaderOf(decoded, data_hash);
  TUTTI_CHECK(static_cast<int64_t>(decoded.labels.size()) == header.samples());
  TUTTI_CHECK(static_cast<int64_t>(decoded.pixels.size()) == header.samples() * header.image_bytes());
  return WriteDurably(files, path, [&](WritableFile& file) { return AppendAll(file, header, decoded); });
}

Result<Images> MapImageFile(const fs::path& path) {
  TUTTI_ASSIGN_OR_RETURN(std::shared_ptr<const Mapping> mapping, Map(path));
  TUTTI_ASSIGN_OR_RETURN(const Header header, CheckedHeader(*mapping, path));
  TUTTI_RETURN_IF_ERROR(CheckLabels(*mapping, header, path));
  try {
    return ImagesOn(std::move(mapping), header);
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kInternal, "cannot make tensors of {}: {}", path.string(), error.what());
  }
}

}  // namespace tutti::trainer
