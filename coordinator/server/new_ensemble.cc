#include "coordinator/server/new_ensemble.h"

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

// Another process that gives the same one gets kExists.
Result<EnsembleId> ClaimFirstFree(FileSystem& files, const fs::path& home, const std::string& name, int highest) {
  while (true) {
    const EnsembleId id(fmt::format("{}-{}", name, ++highest));
    const auto claimed = files.CreateDirectory(home / id.str());
    if (claimed) return id;
    if (claimed.error().code != ErrorCode::kExists) return tl::unexpected<Error>(claimed.error());
  }
}

// A user may keep things whose names begin so.
bool IsDraft(std::string_view name) {
  return name.starts_with(kPrefix) && name.size() == kPrefix.size() + kKeyDigits &&
         name.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
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
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, ClaimFirstFree(files, home, name, highest));
  const fs::path folder = home / id.str();
  const auto renamed = files.Rename(draft, folder);
  if (!renamed) {
    (void)files.Remove(folder);  // empty
    return tl::unexpected<Error>(renamed.error());
  }
  const auto synced = files.SyncDirectory(home);
  if (synced) return id;
  (void)files.Rename(folder, draft);  // nobody was told of it
  return tl::unexpected<Error>(synced.error());
}

std::vector<fs::path> FindDrafts(const FileSystem& files, const fs::path& home) {
  std::vector<fs::path> drafts;
  const auto entries = files.List(home);
  if (!entries) return drafts;
  for (const FileInfo& entry : *entries) {
    if (entry.is_directory && IsDraft(entry.name)) drafts.push_back(home / entry.name);
  }
  return drafts;
}

}  // namespace tutti::server
