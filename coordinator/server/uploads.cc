#include "coordinator/server/uploads.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/hash.h"
#include "storage/checkpoints/checkpoint_folder.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHashDigits = 32;
constexpr std::array<std::string_view, 2> kCheckpointFiles = {"model.safetensors", "training.safetensors"};
constexpr std::array<std::string_view, 3> kPredicted = {"validation.safetensors", "calibration.safetensors",
                                                        "test.safetensors"};

// What grows is appended to in its place; nothing can be said of its hash.
enum class Kind { kEvents, kLog, kFile, kCheckpointFile, kManifest };

bool Grows(Kind kind) { return kind == Kind::kEvents || kind == Kind::kLog; }

std::vector<std::string> PartsOf(const std::string& file) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= file.size();) {
    const size_t end = std::min(file.find('/', begin), file.size());
    parts.push_back(file.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Of the names that a trainer gives to what it writes: nothing else has a way in.
std::optional<Kind> KindOf(const std::string& file) {
  if (file == "events.jsonl") return Kind::kEvents;
  if (file == "log.txt") return Kind::kLog;
  if (file == "labels.safetensors") return Kind::kFile;
  const std::vector<std::string> parts = PartsOf(file);
  if (parts.size() == 3 && parts[0] == "predictions" && IsValidName(parts[1]) &&
      std::ranges::find(kPredicted, parts[2]) != kPredicted.end()) {
    return Kind::kFile;
  }
  if (parts.size() != 2 || !storage::ParseStepFolder(parts[0])) return std::nullopt;
  if (parts[1] == storage::kManifestName) return Kind::kManifest;
  if (std::ranges::find(kCheckpointFiles, parts[1]) != kCheckpointFiles.end()) return Kind::kCheckpointFile;
  return std::nullopt;
}

bool IsHash(std::string_view text) {
  return text.size() == kHashDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// One upload, with where its parts lie.
class Place {
 public:
  Place(const FileSystem& files, const fs::path& ensemble_folder, const Upload& upload)
      : files_(files),
        upload_(upload),
        kind_(*KindOf(upload.file)),
        ensemble_(ensemble_folder),
        attempt_(ensemble_folder / storage::AttemptFolder(upload.attempt)),
        target_(attempt_ / upload.file) {}

  Kind kind() const { return kind_; }
  const fs::path& attempt() const { return attempt_; }
  const fs::path& ensemble() const { return ensemble_; }
  const fs::path& target() const { return target_; }
  fs::path uploads() const { return attempt_ / storage::kUploadsName; }
  // Another file, of another length or hash, is another part.
  fs::path part() const {
    if (Grows(kind_)) return target_;
    return uploads() / (HashText(fmt::format("{} {} {}", upload_.file, upload_.bytes, upload_.hash)) + ".part");
  }
  // Where a checkpoint's files gather.
  fs::path gathering() const { return uploads() / fs::path(upload_.file).parent_path(); }
  fs::path Gathered(const std::string& name, const std::string& hash) const {
    return gathering() / fmt::format("{}.{}", name, hash);
  }
  fs::path gathered() const { return Gathered(target_.filename().string(), upload_.hash); }
  int64_t step() const { return *storage::ParseStepFolder(target_.parent_path().filename().string()); }

  Result<bool> IsComplete() const {
    if (kind_ == Kind::kFile) return storage::HoldsFile(files_, target_, upload_.bytes, upload_.hash);
    if (kind_ == Kind::kCheckpointFile) {
      const auto waiting = files_.Stat(gathered());
      if (waiting) return waiting->size_bytes == upload_.bytes;
      if (waiting.error().code != ErrorCode::kNotFound) return tl::unexpected<Error>(waiting.error());
    }
    return IsCommitted();
  }

 private:
  Result<bool> IsCommitted() const {
    const auto found = storage::ReadCheckpointFolder(files_, target_.parent_path(), upload_.attempt, step());
    if (!found && found.error().code == ErrorCode::kCorrupt) return false;  // not there, or not this one
    if (!found) return tl::unexpected<Error>(found.error());
    if (kind_ == Kind::kManifest) return found->manifest_hash == upload_.hash;
    const storage::FileEntry wanted{target_.filename().string(), upload_.bytes, upload_.hash};
    const auto& entries = found->manifest.files;
    return std::find(entries.begin(), entries.end(), wanted) != entries.end();
  }

  const FileSystem& files_;
  const Upload& upload_;
  const Kind kind_;
  const fs::path ensemble_;
  const fs::path attempt_;
  const fs::path target_;
};

// In a folder that is there: that of an ensemble which was removed meanwhile is not made anew.
Result<void> MakeFolder(FileSystem& files, const fs::path& path) {
  const auto made = files.CreateDirectory(path);
  return made || made.error().code != ErrorCode::kExists ? made : Result<void>();
}

// A name from its folder up to the ensemble's: those above an attempt's first file may be new, too.
Result<void> SyncName(FileSystem& files, const Place& place) {
  for (fs::path folder = place.target().parent_path(); folder != place.attempt(); folder = folder.parent_path()) {
    TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder));
  }
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(place.attempt()));
  return storage::SyncParents(files, place.attempt(), place.ensemble());
}

Result<void> SyncEvents(FileSystem& files, const Place& place) {
  TUTTI_RETURN_IF_ERROR(SyncFile(files, place.part()));
  return SyncName(files, place);
}

Result<void> PutInPlace(FileSystem& files, const Place& place) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(place.target().parent_path()));
  TUTTI_RETURN_IF_ERROR(files.Rename(place.part(), place.target()));
  return SyncName(files, place);
}

Result<void> Gather(FileSystem& files, const Place& place) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(place.gathering()));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(place.uploads()));
  return files.Rename(place.part(), place.gathered());
}

Result<storage::Manifest> ReadManifest(const FileSystem& files, const Place& place, const Upload& upload) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.ReadRange(place.part(), 0, storage::kMaximumManifestBytes));
  auto manifest = storage::ParseManifest(text);
  if (!manifest) return Fail(ErrorCode::kInvalid, "{} is no manifest: {}", upload.file, manifest.error().Text());
  if (manifest->attempt != upload.attempt || manifest->step != place.step()) {
    return Fail(ErrorCode::kInvalid, "{} is the manifest of step {} of {}", upload.file, manifest->step,
                manifest->attempt.str());
  }
  for (const storage::FileEntry& entry : manifest->files) {
    if (std::ranges::find(kCheckpointFiles, entry.name) == kCheckpointFiles.end()) {
      return Fail(ErrorCode::kInvalid, "{} names a file {} that no checkpoint has", upload.file, entry.name);
    }
    const auto there = files.Stat(place.Gathered(entry.name, entry.hash));
    if (!there || there->size_bytes != entry.size_bytes) {
      return Fail(ErrorCode::kInvalid, "{} names {}, which was not sent before it", upload.file, entry.name);
    }
  }
  return manifest;
}

Result<void> Commit(FileSystem& files, const Place& place, const Upload& upload) {
  const auto manifest = ReadManifest(files, place, upload);
  if (!manifest) {
    (void)files.Remove(place.part());
    return tl::unexpected<Error>(manifest.error());
  }
  for (const storage::FileEntry& entry : manifest->files) {
    TUTTI_RETURN_IF_ERROR(files.Rename(place.Gathered(entry.name, entry.hash), place.gathering() / entry.name));
  }
  TUTTI_RETURN_IF_ERROR(files.Rename(place.part(), place.gathering() / storage::kManifestName));
  TUTTI_RETURN_IF_ERROR(storage::SyncParents(files, place.attempt(), place.ensemble()));
  return storage::PublishFolder(files, place.gathering(), place.target().parent_path());
}

Result<void> PutWhole(FileSystem& files, const Place& place, const Upload& upload) {
  const auto hash_of = [&](const fs::path& part) { return storage::HashFile(files, part, upload.bytes); };
  TUTTI_RETURN_IF_ERROR(MakeSure(files, place.part(), {upload.file, upload.hash, hash_of}));
  if (place.kind() == Kind::kCheckpointFile) return Gather(files, place);
  if (place.kind() == Kind::kManifest) return Commit(files, place, upload);
  return PutInPlace(files, place);
}

Result<void> Complete(FileSystem& files, const Place& place, const Upload& upload) {
  if (place.kind() == Kind::kEvents) return SyncEvents(files, place);
  // A log is only read: it need not outlive a power cut.
  if (place.kind() != Kind::kLog) TUTTI_RETURN_IF_ERROR(PutWhole(files, place, upload));
  // Its worker sends one thing after the other: what is left here is of a checkpoint that a newer one has overtaken.
  if (place.kind() != Kind::kCheckpointFile) (void)files.RemoveAll(place.uploads());
  return {};
}

}  // namespace

Result<void> CheckUpload(const Upload& upload) {
  const auto kind = KindOf(upload.file);
  if (!kind) return Fail(ErrorCode::kInvalid, "no attempt has a file '{}'", upload.file);
  if (!Grows(*kind) && !IsHash(upload.hash)) {
    return Fail(ErrorCode::kInvalid, "hash={} is no XXH3-128 of 32 digits", upload.hash);
  }
  if (*kind == Kind::kManifest && upload.bytes > storage::kMaximumManifestBytes) {
    return Fail(ErrorCode::kInvalid, "a manifest may have {} bytes", storage::kMaximumManifestBytes);
  }
  return {};
}

Result<Received> FindReceived(FileSystem& files, const fs::path& ensemble_folder, const Upload& upload) {
  const Place place(files, ensemble_folder, upload);
  if (!Grows(place.kind())) {
    TUTTI_ASSIGN_OR_RETURN(const bool complete, place.IsComplete());
    // Who put it there may have been lost before the sync.
    if (complete && place.kind() != Kind::kCheckpointFile) TUTTI_RETURN_IF_ERROR(SyncName(files, place));
    if (complete) return Received{upload.bytes, true};
  }
  const auto there = files.Stat(place.part());
  if (there) return Received{there->size_bytes, Grows(place.kind()) && there->size_bytes >= upload.bytes};
  if (there.error().code == ErrorCode::kNotFound) return Received{};
  return tl::unexpected<Error>(there.error());
}

Result<Received> Receive(FileSystem& files, const fs::path& ensemble_folder, const Upload& upload, uint64_t offset,
                         const std::string& piece) {
  TUTTI_ASSIGN_OR_RETURN(const Received before, FindReceived(files, ensemble_folder, upload));
  if (before.complete) return before;
  TUTTI_RETURN_IF_ERROR(CheckPiece({upload.file, upload.bytes, offset, piece}, before.bytes));
  const Place place(files, ensemble_folder, upload);
  if (!Grows(place.kind())) TUTTI_RETURN_IF_ERROR(MakeFolder(files, place.uploads()));
  TUTTI_RETURN_IF_ERROR(AppendPiece(files, place.part(), piece));
  const Received after{before.bytes + piece.size(), before.bytes + piece.size() == upload.bytes};
  if (!after.complete) return after;
  TUTTI_RETURN_IF_ERROR(Complete(files, place, upload));
  return after;
}

}  // namespace tutti::server
