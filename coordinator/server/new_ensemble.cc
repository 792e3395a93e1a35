#include "coordinator/server/new_ensemble.h"

#include <spdlog/spdlog.h>

#include <string_view>

#include "common/network/secret.h"
#include "common/spec/render.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/file_store.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

// No ensemble's name begins with a dot.
constexpr std::string_view kPrefix = ".new-";
constexpr size_t kKeyDigits = 16;

Result<void> WriteText(FileSystem& files, const fs::path& path, const std::string& text) {
  return WriteSynced(files, path,
                     [&](WritableFile& file) { return file.Append(std::as_bytes(std::span<const char>(text))); });
}

Result<void> Fill(FileSystem& files, const fs::path& home, const fs::path& folder, const NewEnsemble& ensemble) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectory(folder));
  if (!ensemble.files.empty()) TUTTI_RETURN_IF_ERROR(CopyFiles(files, home, ensemble.files, folder));
  if (ensemble.source) TUTTI_RETURN_IF_ERROR(WriteText(files, folder / "experiment.yaml", *ensemble.source));
  TUTTI_RETURN_IF_ERROR(WriteText(files, folder / "resolved.yaml", spec::RenderYaml(ensemble.spec)));
  TUTTI_RETURN_IF_ERROR(WriteText(files, folder / kResolvedExperiment, spec::ToJson(ensemble.spec).dump()));
  TUTTI_RETURN_IF_ERROR(files.CreateDirectory(folder / "members"));
  return files.SyncDirectory(folder);
}

}  // namespace

Result<fs::path> DraftEnsemble(FileSystem& files, const fs::path& home, const NewEnsemble& ensemble) {
  fs::path folder = home / (std::string(kPrefix) + network::MakeSecret().substr(0, kKeyDigits));
  const auto filled = Fill(files, home, folder, ensemble);
  if (filled) return folder;
  (void)files.RemoveAll(folder);  // else the next start does
  return tl::unexpected<Error>(filled.error());
}

Result<EnsembleId> GiveId(FileSystem& files, const fs::path& draft, const std::string& name, int highest) {
  const fs::path home = draft.parent_path();
  EnsembleId id(fmt::format("{}-{}", name, ++highest));
  while (files.Exists(home / id.str())) id = EnsembleId(fmt::format("{}-{}", name, ++highest));
  TUTTI_RETURN_IF_ERROR(files.Rename(draft, home / id.str()));
  const auto synced = files.SyncDirectory(home);
  if (synced) return id;
  (void)files.RemoveAll(home / id.str());  // if it stays, it harms nobody
  return tl::unexpected<Error>(synced.error());
}

void RemoveDrafts(FileSystem& files, const fs::path& home) {
  const auto entries = files.List(home);
  if (!entries) return;
  for (const FileInfo& entry : *entries) {
    const bool draft = entry.name.starts_with(kPrefix) && entry.name.size() == kPrefix.size() + kKeyDigits;
    const auto removed = draft ? files.RemoveAll(home / entry.name) : Result<void>();
    if (!removed) spdlog::warn("what a submission that was cut short left stays behind: {}", removed.error().Text());
  }
}

}  // namespace tutti::server
