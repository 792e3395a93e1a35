#include "worker/transfer/scratch.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>

#include "common/hash.h"
#include "common/network/secret.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeyDigits = 16;

void Discard(FileSystem& files, const fs::path& folder) {
  const auto removed = files.RemoveAll(folder);
  if (!removed) spdlog::warn("{} stays behind: {}", folder.string(), removed.error().Text());
}

}  // namespace

fs::path DefaultScratchFolder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return fs::path(cache) / "tutti";
  const char* home = std::getenv("HOME");
  return (home != nullptr && *home == '/' ? fs::path(home) : fs::temp_directory_path()) / ".cache" / "tutti";
}

protocol::Task ScratchHome::Moved(protocol::Task task) const {
  const fs::path former = task.ensemble_folder.parent_path();
  const auto move = [&](fs::path& path) {
    if (!path.empty()) path = (home / path.lexically_relative(former)).lexically_normal();
  };
  move(task.ensemble_folder);
  move(task.folder);
  move(task.events);
  move(task.split);
  if (task.member && task.member->weights) move(*task.member->weights);
  if (task.resume_from) move(*task.resume_from);
  task.cache = cache;
  return task;
}

std::string WithWayToMakeRoom(std::string error, const ScratchHome& home) {
  const std::string folder = home.cache.parent_path().string();
  const bool full = error.find(std::strerror(ENOSPC)) != std::string::npos;
  if (!full || error.find(folder) == std::string::npos) return error;
  return fmt::format("{}; the disk of this worker's own folder {} is full: make room, or start it with --scratch DIR",
                     error, folder);
}

Result<Scratch> Scratch::Make(FileSystem& files, const fs::path& folder, const std::string& mark,
                              const WorkerId& worker) {
  const fs::path own = fs::absolute(folder).lexically_normal() / HashText(mark).substr(0, kKeyDigits);
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(own.parent_path()));
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(own));
  ScratchHome home{own / "homes" / worker.str(), own / "cache"};
  TUTTI_RETURN_IF_ERROR(files.RemoveAll(home.home));
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(home.home));
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(home.cache));
  return Scratch(files, std::move(home));
}

Scratch::Scratch(Scratch&& other) noexcept : files_(other.files_), home_(std::exchange(other.home_, {})) {}

Scratch::~Scratch() {
  if (home_.home.empty()) return;
  const auto removed = files_.RemoveAll(home_.home);
  if (!removed) spdlog::warn("{} stays behind: {}", home_.home.string(), removed.error().Text());
}

void RemoveFilesOf(FileSystem& files, const ScratchHome& home, const JobId& job) {
  Discard(files, home.home / job.ensemble.str() / storage::AttemptFolder({job, 1}).parent_path());
}

void RemoveFilesOf(FileSystem& files, const ScratchHome& home, const EnsembleId& ensemble) {
  Discard(files, home.home / ensemble.str());
}

Result<void> RemoveOlderCheckpoints(FileSystem& files, const fs::path& ensemble_folder, const AttemptId& newest,
                                    int64_t step) {
  storage::CheckpointStore store(files, ensemble_folder);
  for (int number = 1; number <= newest.number; ++number) {
    const AttemptId attempt{newest.job, number};
    const auto contents = store.Inspect(attempt);
    if (!contents && contents.error().code == ErrorCode::kNotFound) continue;
    if (!contents) return tl::unexpected<Error>(contents.error());
    for (const storage::FoundCheckpoint& found : contents->checkpoints) {
      if (std::tuple(number, found.manifest.step) >= std::tuple(newest.number, step)) continue;
      TUTTI_RETURN_IF_ERROR(store.Remove(attempt, found.manifest.step));
    }
  }
  return {};
}

}  // namespace tutti::worker
