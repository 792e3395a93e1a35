#include "common/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "common/owned_descriptor.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> FailPath(std::string_view what, const fs::path& path) {
  return FailErrno(errno, fmt::format("{} {}", what, path.string()));
}

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(OwnedDescriptor descriptor, fs::path path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<void> Append(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return FailPath("cannot write", path_);
      }
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return {};
  }

  Result<void> Sync() override {
    if (::fsync(descriptor_.get()) != 0) return FailPath("cannot sync", path_);
    return {};
  }

  Result<void> Close() override {
    if (::close(descriptor_.Release()) != 0 && errno != EINTR) return FailPath("cannot close", path_);
    return {};
  }

 private:
  OwnedDescriptor descriptor_;
  fs::path path_;
};

Result<OwnedDescriptor> OpenPath(const fs::path& path, int flags, std::string_view what) {
  while (true) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (number >= 0) return OwnedDescriptor(number);
    if (errno != EINTR) return FailPath(what, path);
  }
}

class Posix : public FileSystem {
 public:
  Result<std::unique_ptr<WritableFile>> Create(const fs::path& path) override {
    return OpenWritable(path, O_WRONLY | O_CREAT | O_TRUNC, "cannot create");
  }

  Result<std::unique_ptr<WritableFile>> OpenForAppend(const fs::path& path) override {
    return OpenWritable(path, O_WRONLY | O_CREAT | O_APPEND, "cannot open");
  }

  Result<std::string> Read(const fs::path& path) const override { return ReadRange(path, 0, UINT64_MAX); }

  Result<std::string> ReadRange(const fs::path& path, uint64_t offset, uint64_t length) const override {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return FailPath("cannot open", path);
    if (!S_ISREG(status.st_mode)) {
      return Fail(ErrorCode::kInvalid, "cannot read {}: it is {}, no regular file", path.string(),
                  S_ISDIR(status.st_mode) ? "a folder" : "a pipe or a device");
    }
    TUTTI_ASSIGN_OR_RETURN(OwnedDescriptor descriptor, OpenPath(path, O_RDONLY, "cannot open"));
    if (::fstat(descriptor.get(), &status) != 0) return FailPath("cannot read", path);
    const uint64_t size = static_cast<uint64_t>(status.st_size);
    const uint64_t wanted = offset >= size ? 0 : std::min(length, size - offset);
    std::string contents(wanted, '\0');
    size_t filled = 0;
    while (filled < wanted) {
      const ssize_t count =
          ::pread(descriptor.get(), contents.data() + filled, wanted - filled, static_cast<off_t>(offset + filled));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FailPath("cannot read", path);
      if (count == 0) break;
      filled += static_cast<size_t>(count);
    }
    contents.resize(filled);
    return contents;
  }

  Result<FileInfo> Stat(const fs::path& path) const override {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return FailPath("cannot stat", path);
    const auto changed = std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
    return FileInfo{path.filename().string(), S_ISDIR(status.st_mode), static_cast<uint64_t>(status.st_size),
                    TimePoint(std::chrono::floor<Duration>(changed))};
  }

  Result<std::vector<FileInfo>> List(const fs::path& directory) const override {
    std::error_code error;
    std::vector<FileInfo> entries;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
      auto info = Stat(it->path());
      if (info) {
        entries.push_back(std::move(*info));
      } else if (info.error().code != ErrorCode::kNotFound) {
        return tl::unexpected(std::move(info.error()));
      }
    }
    if (error) return FailErrno(error.value(), fmt::format("cannot list {}", directory.string()));
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }

  Result<void> CreateDirectory(const fs::path& path) override {
    if (::mkdir(path.c_str(), 0755) != 0) return FailPath("cannot create folder", path);
    return {};
  }

  Result<void> CreateDirectories(const fs::path& path) override {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return FailErrno(error.value(), fmt::format("cannot create folder {}", path.string()));
    return {};
  }

  Result<void> Rename(const fs::path& from, const fs::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return FailPath(fmt::format("cannot rename {} to", from.string()), to);
    }
    return {};
  }

  Result<void> Remove(const fs::path& path) override {
    if (std::remove(path.c_str()) != 0) return FailPath("cannot remove", path);
    return {};
  }

  Result<void> RemoveAll(const fs::path& path) override {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return FailErrno(error.value(), fmt::format("cannot remove {}", path.string()));
    return {};
  }

  Result<void> SyncDirectory(const fs::path& path) override {
    TUTTI_ASSIGN_OR_RETURN(OwnedDescriptor descriptor, OpenPath(path, O_RDONLY | O_DIRECTORY, "cannot open"));
    if (::fsync(descriptor.get()) != 0) return FailPath("cannot sync", path);
    return {};
  }

 private:
  static Result<std::unique_ptr<WritableFile>> OpenWritable(const fs::path& path, int flags, std::string_view what) {
    TUTTI_ASSIGN_OR_RETURN(OwnedDescriptor descriptor, OpenPath(path, flags, what));
    return std::make_unique<PosixWritableFile>(std::move(descriptor), path);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static Posix files;
  return files;
}

Result<void> WriteSynced(FileSystem& files, const fs::path& path, const FileFiller& fill) {
  const auto write = [&]() -> Result<void> {
    TUTTI_ASSIGN_OR_RETURN(const auto file, files.Create(path));
    TUTTI_RETURN_IF_ERROR(fill(*file));
    TUTTI_RETURN_IF_ERROR(file->Sync());
    return file->Close();
  };
  auto written = write();
  if (!written) static_cast<void>(files.Remove(path));  // on a full disk its bytes would stay in the way
  return written;
}

Result<void> WriteDurably(FileSystem& files, const fs::path& path, const FileFiller& fill) {
  const fs::path temporary = path.string() + ".tmp";
  TUTTI_RETURN_IF_ERROR(WriteSynced(files, temporary, fill));
  if (auto renamed = files.Rename(temporary, path); !renamed) {
    static_cast<void>(files.Remove(temporary));
    return renamed;
  }
  const fs::path parent = path.parent_path();
  return files.SyncDirectory(parent.empty() ? fs::path(".") : parent);
}

Result<void> WriteFileDurably(FileSystem& files, const fs::path& path, std::string_view contents) {
  return WriteDurably(files, path, [&](WritableFile& file) { return file.Append(std::as_bytes(std::span(contents))); });
}

}  // namespace tutti
