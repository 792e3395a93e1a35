#include "tests/support/faulty_file_system.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <system_error>
#include <utility>

namespace tutti::testing {
namespace {

namespace fs = std::filesystem;

fs::path ParentOf(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// `path` with `from` at its beginning replaced by `to`.
fs::path Moved(const fs::path& path, const fs::path& from, const fs::path& to) {
  const auto [in_from, in_path] = std::mismatch(from.begin(), from.end(), path.begin(), path.end());
  if (in_from != from.end()) return path;
  fs::path moved = to;
  for (auto it = in_path; it != path.end(); ++it) moved /= *it;
  return moved;
}

}  // namespace

class FaultyFileSystem::File : public WritableFile {
 public:
  File(FaultyFileSystem& owner, std::unique_ptr<WritableFile> base, fs::path path)
      : owner_(owner), base_(std::move(base)), path_(std::move(path)) {}

  Result<void> Append(std::span<const std::byte> bytes) override { return owner_.AppendTo(*base_, path_, bytes); }

  Result<void> Sync() override {
    const std::lock_guard lock(owner_.mutex_);
    TUTTI_RETURN_IF_ERROR(owner_.Step("sync " + path_.string()));
    owner_.unsynced_contents_.erase(path_);
    return {};  // the page cache of the machine below is never lost, so that its own sync would only take time
  }

  Result<void> Close() override {
    const std::lock_guard lock(owner_.mutex_);
    TUTTI_RETURN_IF_ERROR(owner_.Step("close " + path_.string()));
    return base_->Close();
  }

 private:
  FaultyFileSystem& owner_;
  std::unique_ptr<WritableFile> base_;
  fs::path path_;
};

void FaultyFileSystem::FailAt(int64_t operation, ErrorCode code) { faults_[operation] = {FaultKind::kError, code}; }
void FaultyFileSystem::CutShortAt(int64_t operation, ErrorCode code) { faults_[operation] = {FaultKind::kShort, code}; }
void FaultyFileSystem::CrashAt(int64_t operation) { faults_[operation] = {FaultKind::kCrash, ErrorCode::kIo}; }
void FaultyFileSystem::Before(int64_t operation, std::function<void()> hook) { hooks_[operation] = std::move(hook); }

int64_t FaultyFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return std::ssize(log_);
}

std::vector<std::string> FaultyFileSystem::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

bool FaultyFileSystem::fault_happened() const {
  const std::lock_guard lock(mutex_);
  return fault_happened_;
}

Result<void> FaultyFileSystem::Step(const std::string& what) const {
  if (crashed_) return Fail(ErrorCode::kIo, "the machine is down: {}", what);
  log_.push_back(what);
  const int64_t operation = std::ssize(log_);
  if (const auto hook = hooks_.find(operation); hook != hooks_.end()) hook->second();
  const auto fault = faults_.find(operation);
  if (fault == faults_.end()) return {};
  fault_happened_ = true;
  crashed_ = fault->second.kind == FaultKind::kCrash;
  return Fail(fault->second.code, "made to fail: {}", what);
}

Result<void> FaultyFileSystem::AppendTo(WritableFile& file, const fs::path& path, std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  const bool down_before = crashed_;
  auto step = Step("append " + path.string());
  if (!step) {
    const auto fault = faults_.find(std::ssize(log_));
    const bool half = !down_before && fault != faults_.end() && fault->second.kind != FaultKind::kError;
    if (half) TUTTI_CHECK(file.Append(bytes.first(bytes.size() / 2)).has_value());
    return step;
  }
  return file.Append(bytes);
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::Open(const fs::path& path, std::string_view what) {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step(fmt::format("{} {}", what, path.string())));
  const auto before = base_.Stat(path);
  const bool truncate = what == "create";
  TUTTI_ASSIGN_OR_RETURN(auto file, truncate ? base_.Create(path) : base_.OpenForAppend(path));
  if (!before) unsynced_entries_.push_back({.kind = Entry::Kind::kAdded, .path = path, .from = {}, .old_contents = {}});
  unsynced_contents_.emplace(path, before && !truncate ? before->size_bytes : 0);
  return std::make_unique<File>(*this, std::move(file), path);
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::Create(const fs::path& path) { return Open(path, "create"); }

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::OpenForAppend(const fs::path& path) {
  return Open(path, "open for append");
}

Result<std::string> FaultyFileSystem::Read(const fs::path& path) const {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("read " + path.string()));
  return base_.Read(path);
}

Result<std::string> FaultyFileSystem::ReadRange(const fs::path& path, uint64_t offset, uint64_t length) const {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("read " + path.string()));
  return base_.ReadRange(path, offset, length);
}

Result<FileInfo> FaultyFileSystem::Stat(const fs::path& path) const {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("stat " + path.string()));
  return base_.Stat(path);
}

Result<std::vector<FileInfo>> FaultyFileSystem::List(const fs::path& directory) const {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("list " + directory.string()));
  return base_.List(directory);
}

Result<void> FaultyFileSystem::CreateDirectory(const fs::path& path) {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("create directory " + path.string()));
  TUTTI_RETURN_IF_ERROR(base_.CreateDirectory(path));
  unsynced_entries_.push_back({.kind = Entry::Kind::kAdded, .path = path, .from = {}, .old_contents = {}});
  return {};
}

Result<void> FaultyFileSystem::CreateDirectories(const fs::path& path) {
  const std::lock_guard lock(mutex_);
  fs::path reached;
  for (const fs::path& part : path) {
    reached /= part;
    if (!base_.Exists(reached)) TUTTI_RETURN_IF_ERROR(CreateDirectory(reached));
  }
  return {};
}

Result<void> FaultyFileSystem::Rename(const fs::path& from, const fs::path& to) {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step(fmt::format("rename {} {}", from.string(), to.string())));
  Entry entry{.kind = Entry::Kind::kRenamed, .path = to, .from = from, .old_contents = {}};
  if (const auto target = base_.Stat(to); target && !target->is_directory) entry.old_contents = base_.Read(to).value();
  TUTTI_RETURN_IF_ERROR(base_.Rename(from, to));
  unsynced_entries_.push_back(std::move(entry));
  MoveContents(from, to);
  return {};
}

Result<void> FaultyFileSystem::Remove(const fs::path& path) {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("remove " + path.string()));
  TUTTI_ASSIGN_OR_RETURN(const FileInfo info, base_.Stat(path));
  Entry entry{
      .kind = Entry::Kind::kRemoved, .path = path, .from = {}, .old_contents = {}, .was_directory = info.is_directory};
  if (!info.is_directory) entry.old_contents = base_.Read(path).value();
  TUTTI_RETURN_IF_ERROR(base_.Remove(path));
  unsynced_contents_.erase(path);
  unsynced_entries_.push_back(std::move(entry));
  return {};
}

Result<void> FaultyFileSystem::RemoveAll(const fs::path& path) {
  const std::lock_guard lock(mutex_);
  const auto info = base_.Stat(path);
  if (!info) return Step("remove " + path.string());
  if (info->is_directory) {
    TUTTI_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, base_.List(path));
    for (const FileInfo& entry : entries) TUTTI_RETURN_IF_ERROR(RemoveAll(path / entry.name));
  }
  return Remove(path);
}

Result<void> FaultyFileSystem::SyncDirectory(const fs::path& path) {
  const std::lock_guard lock(mutex_);
  TUTTI_RETURN_IF_ERROR(Step("sync directory " + path.string()));
  if (!base_.Exists(path)) return Fail(ErrorCode::kNotFound, "cannot open {}", path.string());
  ForgetEntriesOf(path);
  return {};
}

// They are safe now. A rename that is safe lets the older entries below it lie under its new name.
void FaultyFileSystem::ForgetEntriesOf(const fs::path& directory) {
  for (size_t i = 0; i < unsynced_entries_.size();) {
    const Entry entry = unsynced_entries_[i];
    if (ParentOf(entry.path) != directory) {
      ++i;
      continue;
    }
    if (entry.kind == Entry::Kind::kRenamed) MoveEntries(entry.from, entry.path, i);
    unsynced_entries_.erase(unsynced_entries_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void FaultyFileSystem::MoveContents(const fs::path& from, const fs::path& to) {
  std::map<fs::path, uint64_t> moved;
  for (const auto& [path, size_bytes] : unsynced_contents_) moved[Moved(path, from, to)] = size_bytes;
  unsynced_contents_ = std::move(moved);
}

// In the oldest `count` entries.
void FaultyFileSystem::MoveEntries(const fs::path& from, const fs::path& to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    unsynced_entries_[i].path = Moved(unsynced_entries_[i].path, from, to);
    unsynced_entries_[i].from = Moved(unsynced_entries_[i].from, from, to);
  }
}

void FaultyFileSystem::LoseAllUnsynced() {
  const std::lock_guard lock(mutex_);
  std::error_code ignored;
  for (const auto& [path, size_bytes] : unsynced_contents_) fs::resize_file(path, size_bytes, ignored);
  while (!unsynced_entries_.empty()) {
    Undo(unsynced_entries_.back());
    unsynced_entries_.pop_back();
  }
}

void FaultyFileSystem::LoseSomeUnsynced(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed);
  std::error_code ignored;
  for (const auto& [path, safe_bytes] : unsynced_contents_) {
    const auto size_bytes = base_.Stat(path);
    if (!size_bytes || size_bytes->size_bytes < safe_bytes) continue;
    fs::resize_file(path, safe_bytes + random() % (size_bytes->size_bytes - safe_bytes + 1), ignored);
  }
  const size_t kept = random() % (unsynced_entries_.size() + 1);
  while (unsynced_entries_.size() > kept) {
    Undo(unsynced_entries_.back());
    unsynced_entries_.pop_back();
  }
  unsynced_entries_.clear();
}

void FaultyFileSystem::Undo(const Entry& entry) {
  std::error_code ignored;
  const auto write_back = [](const fs::path& path, const std::string& contents) {
    std::ofstream(path, std::ios::binary) << contents;
  };
  switch (entry.kind) {
    case Entry::Kind::kAdded:
      fs::remove_all(entry.path, ignored);
      return;
    case Entry::Kind::kRenamed:
      fs::rename(entry.path, entry.from, ignored);
      if (entry.old_contents) write_back(entry.path, *entry.old_contents);
      return;
    case Entry::Kind::kRemoved:
      if (entry.was_directory) {
        fs::create_directory(entry.path, ignored);
      } else {
        write_back(entry.path, *entry.old_contents);
      }
      return;
  }
}

}  // namespace tutti::testing
