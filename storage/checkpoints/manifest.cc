#include <cmath>
#include <limits>
#include <set>

#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::storage {
namespace {

// JSON knows no NaN and no infinity; a diverged metric must not make a checkpoint unreadable.
Json NumberToJson(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

Result<double> NumberFromJson(const Json& json, std::string_view key) {
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  return Fail(ErrorCode::kInvalid, "the manifest's '{}' is no number", key);
}

Result<const Json*> Member(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end()) return Fail(ErrorCode::kInvalid, "the manifest has no '{}'", key);
  return &*found;
}

Result<int64_t> WholeNumber(const Json& json, const char* key) {
  TUTTI_ASSIGN_OR_RETURN(const Json* value, Member(json, key));
  const bool too_large = value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX;
  if (!value->is_number_integer() || too_large || value->get<int64_t>() < 0) {
    return Fail(ErrorCode::kInvalid, "the manifest's '{}' is no whole number", key);
  }
  return value->get<int64_t>();
}

Result<std::string> Text(const Json& json, const char* key) {
  TUTTI_ASSIGN_OR_RETURN(const Json* value, Member(json, key));
  if (!value->is_string()) return Fail(ErrorCode::kInvalid, "the manifest's '{}' is no text", key);
  return value->get<std::string>();
}

// A manifest must not lead out of its folder.
bool IsPlainFileName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

Result<FileEntry> FileFromJson(const Json& json) {
  FileEntry file;
  TUTTI_ASSIGN_OR_RETURN(file.name, Text(json, "name"));
  if (!IsPlainFileName(file.name)) {
    return Fail(ErrorCode::kInvalid, "the manifest names '{}', which is no file of its folder", file.name);
  }
  TUTTI_ASSIGN_OR_RETURN(const int64_t size_bytes, WholeNumber(json, "size_bytes"));
  file.size_bytes = static_cast<uint64_t>(size_bytes);
  TUTTI_ASSIGN_OR_RETURN(file.hash, Text(json, "hash"));
  return file;
}

}  // namespace

Json ToJson(const Manifest& manifest) {
  Json metrics = Json::object();
  for (const auto& [name, value] : manifest.metrics) metrics[name] = NumberToJson(value);
  Json files = Json::array();
  for (const FileEntry& file : manifest.files) {
    files.push_back(Json{{"name", file.name}, {"size_bytes", file.size_bytes}, {"hash", file.hash}});
  }
  return Json{{"version", Manifest::kVersion}, {"attempt", manifest.attempt.str()},
              {"step", manifest.step},         {"epoch", NumberToJson(manifest.epoch)},
              {"metrics", std::move(metrics)}, {"files", std::move(files)}};
}

Result<Manifest> ManifestFromJson(const Json& json) {
  TUTTI_ASSIGN_OR_RETURN(const int64_t version, WholeNumber(json, "version"));
  if (version != Manifest::kVersion) {
    return Fail(ErrorCode::kInvalid, "the manifest has version {}, this program reads version {}", version,
                Manifest::kVersion);
  }
  Manifest manifest;
  TUTTI_ASSIGN_OR_RETURN(const std::string attempt, Text(json, "attempt"));
  TUTTI_ASSIGN_OR_RETURN(manifest.attempt, ParseAttemptId(attempt));
  TUTTI_ASSIGN_OR_RETURN(manifest.step, WholeNumber(json, "step"));
  TUTTI_ASSIGN_OR_RETURN(const Json* epoch, Member(json, "epoch"));
  TUTTI_ASSIGN_OR_RETURN(manifest.epoch, NumberFromJson(*epoch, "epoch"));
  TUTTI_ASSIGN_OR_RETURN(const Json* metrics, Member(json, "metrics"));
  if (!metrics->is_object()) return Fail(ErrorCode::kInvalid, "the manifest's 'metrics' is no object");
  for (const auto& [name, value] : metrics->items()) {
    TUTTI_ASSIGN_OR_RETURN(manifest.metrics[name], NumberFromJson(value, name));
  }
  TUTTI_ASSIGN_OR_RETURN(const Json* files, Member(json, "files"));
  if (!files->is_array()) return Fail(ErrorCode::kInvalid, "the manifest's 'files' is no list");
  std::set<std::string> names;
  for (const Json& file : *files) {
    TUTTI_ASSIGN_OR_RETURN(FileEntry entry, FileFromJson(file));
    if (!names.insert(entry.name).second) {
      return Fail(ErrorCode::kInvalid, "the manifest names '{}' twice", entry.name);
    }
    manifest.files.push_back(std::move(entry));
  }
  return manifest;
}

}  // namespace tutti::storage
