#include "common/spec/experiment_files.h"

namespace tutti::spec {
namespace {

constexpr size_t kHashDigits = 64;

Result<void> CheckHashes(const FileHashes& hashes, const std::set<std::filesystem::path>& named) {
  for (const auto& [path, hash] : hashes) {
    if (!IsFileHash(hash)) return Fail(ErrorCode::kInvalid, "'{}' is no SHA-256 of {} digits", hash, kHashDigits);
    if (!named.contains(path)) return Fail(ErrorCode::kInvalid, "the experiment names no file {}", path.string());
  }
  return {};
}

}  // namespace

bool IsFileHash(std::string_view text) {
  return text.size() == kHashDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::set<std::filesystem::path> FilesOf(const EnsembleSpec& spec) {
  std::set<std::filesystem::path> files;
  for (const MemberSpec& member : spec.members) {
    if (member.weights) files.insert(*member.weights);
  }
  return files;
}

std::filesystem::path CopyOf(const std::string& hash) {
  return std::filesystem::path("files") / (hash + ".safetensors");
}

Result<EnsembleSpec> WithCopies(EnsembleSpec spec, const FileHashes& hashes) {
  TUTTI_RETURN_IF_ERROR(CheckHashes(hashes, FilesOf(spec)));
  for (MemberSpec& member : spec.members) {
    if (!member.weights) continue;
    const auto hash = hashes.find(*member.weights);
    if (hash == hashes.end()) {
      return Fail(ErrorCode::kInvalid, "the experiment names the file {}, whose SHA-256 is not given",
                  member.weights->string());
    }
    member.weights = CopyOf(hash->second);
  }
  return spec;
}

}  // namespace tutti::spec
