// Decoded images on disk, shared by all processes of a node that map them.
//
// A file is written under a temporary name, synced and renamed, so under its own name it is whole. Its header carries
// sizes and a hash of itself. Found out when it is opened (kCorrupt), and made anew by the caller: a wrong length, a
// damaged header, a label that is no class. Not found out: other pixels, or another class; to hash them at each start
// would take longer than most starts do.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/owned_descriptor.h"
#include "common/result.h"
#include "worker/trainer/data/images.h"
#include "worker/trainer/data/sources.h"

namespace tutti::trainer {

// Raised when the layout of the files changes, or how images are scaled, so that older ones are left alone.
inline constexpr int kImageCacheVersion = 1;

// A lock between processes, on a file that stays behind. Released on destruction and by the kernel at death.
class CacheLock {
 public:
  // kTimeout when another process holds it for all of `patience`.
  static Result<CacheLock> Acquire(const std::filesystem::path& path, Duration patience);

 private:
  explicit CacheLock(OwnedDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  OwnedDescriptor descriptor_;
};

// Hash of what was decoded: the same for the same images and labels, wherever and however packed they lie.
std::string HashOf(const DecodedImages& decoded);

// `data_hash` is that of the source: of these images, or of those that they were scaled from. The caller holds the lock
// that belongs to `path`.
Result<void> WriteImageFile(FileSystem& files, const std::filesystem::path& path, const DecodedImages& decoded,
                            const std::string& data_hash);

// Maps the file; the tensors keep the mapping alive. kNotFound; kCorrupt: no such file as WriteImageFile makes.
Result<Images> MapImageFile(const std::filesystem::path& path);

}  // namespace tutti::trainer
