#include "common/spec/parse.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/file_system.h"
#include "common/input_file.h"
#include "common/spec/experiment_files.h"
#include "common/spec/merge.h"
#include "common/spec/reader.h"
#include "common/spec/yaml.h"
#include "common/tensors/tensor_file.h"

namespace tutti::spec {
namespace {

bool IsKeyPath(std::string_view path) {
  const auto fits = [](char c) { return c > ' ' && c != ':' && c != '{' && c != '['; };
  return !path.empty() && path.front() != '.' && path.back() != '.' && path.find("..") == std::string_view::npos &&
         std::all_of(path.begin(), path.end(), fits);
}

Node WithoutPlaces(Node node, Position position) {
  node.position = position;
  for (Node& item : node.items) item = WithoutPlaces(std::move(item), position);
  for (Entry& entry : node.entries) {
    entry.key_position = position;
    entry.value = WithoutPlaces(std::move(entry.value), position);
  }
  return node;
}

// The value of an override, which is YAML itself: `[7, 8]`, `{name: adam}`.
std::optional<Node> LoadOverrideValue(std::string_view text, Position position, Problems& problems) {
  Problems own;
  own.AddSource("");
  std::optional<Node> value = LoadYaml(text, 0, own);
  for (const Diagnostic& diagnostic : own.Diagnostics()) {
    problems.Add(position, fmt::format("{} (at character {} of the value)", diagnostic.message, diagnostic.column));
  }
  if (!value || !own.empty()) return std::nullopt;
  return WithoutPlaces(std::move(*value), position);
}

void ApplyOverride(const std::string& text, Node& root, Problems& problems) {
  const bool readable = !FindInvalidUtf8(text);
  const Position position{problems.AddSource(readable ? fmt::format("--set {}", text) : "--set"), 0, 0};
  const size_t equals = text.find('=');
  if (!readable || equals == std::string::npos || !IsKeyPath(std::string_view(text).substr(0, equals))) {
    problems.Add(position, "not an override; allowed: KEY=VALUE in UTF-8, as in training.epochs=3");
    return;
  }
  std::optional<Node> value = LoadOverrideValue(std::string_view(text).substr(equals + 1), position, problems);
  if (value) Override(root, std::string_view(text).substr(0, equals), std::move(*value), position, problems);
}

tl::unexpected<std::vector<Diagnostic>> Unreadable(const std::string& why) {
  return tl::unexpected(std::vector<Diagnostic>{{"", 0, 0, why}});
}

// Where relative paths in a file start.
std::filesystem::path BaseFolderOf(const std::filesystem::path& file, const std::filesystem::path& current) {
  const std::filesystem::path folder = (current / file).lexically_normal().parent_path();
  const bool has_none = folder == "/dev" || folder == "/dev/fd" || folder.string().starts_with("/proc/");
  return has_none ? current : folder;
}

Result<void> CheckFile(const std::filesystem::path& path) {
  const FileSystem& files = PosixFileSystem();
  const auto whole = tensors::CheckSafetensors(files, path);
  if (!whole) {
    return Fail(ErrorCode::kInvalid, "names {}, which cannot be used: {}; allowed: a safetensors file", path.string(),
                whole.error().Text());
  }
  const auto info = files.Stat(path);
  if (!info || info->size_bytes <= kLargestExperimentFile) return {};
  return Fail(ErrorCode::kInvalid, "names {}, which has {} bytes; allowed: at most {}", path.string(), info->size_bytes,
              kLargestExperimentFile);
}

}  // namespace

ParseResult Parse(const ParseInput& input) {
  Problems problems;
  std::optional<Node> root = LoadYaml(input.text, problems.AddSource(input.file_name), problems);
  if (!root) return tl::unexpected(problems.Diagnostics());
  for (const std::string& text : input.overrides) ApplyOverride(text, *root, problems);
  const auto resolve = [&](const std::string& path) { return ExpandPath(path, input.base_folder, input.environment); };
  const auto resolve_file = [&](const std::string& path) -> Result<std::filesystem::path> {
    TUTTI_ASSIGN_OR_RETURN(std::filesystem::path file, resolve(path));
    if (input.check_file) TUTTI_RETURN_IF_ERROR(input.check_file(file));
    return file;
  };
  EnsembleSpec spec = ReadEnsemble(*root, {resolve, resolve_file}, problems);
  if (!problems.empty()) return tl::unexpected(problems.Diagnostics());
  return spec;
}

tl::expected<ExperimentFile, std::vector<Diagnostic>> ParseFile(const std::filesystem::path& file,
                                                                const std::vector<std::string>& overrides,
                                                                const Environment& environment) {
  // One byte more than an experiment may have is enough to refuse it.
  Result<std::string> text = ReadInput(file, kLargestExperimentBytes + 1);
  if (!text) return Unreadable(text.error().Text());
  std::error_code error;
  const std::filesystem::path current = std::filesystem::current_path(error);
  if (error) return Unreadable(fmt::format("the current folder is unknown: {}", error.message()));
  auto spec = Parse({*text, file.string(), BaseFolderOf(file, current), overrides, environment, CheckFile});
  if (!spec) return tl::unexpected(std::move(spec.error()));
  return ExperimentFile{std::move(*spec), std::move(*text)};
}

}  // namespace tutti::spec
