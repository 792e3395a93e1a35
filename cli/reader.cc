#include "cli/reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/estimates.h"
#include "coordinator/server/views.h"
#include "storage/catalog/catalog.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::cli {
namespace {

Result<const EnsembleRecord*> FindRecord(const Records& records, const std::string& name) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, server::FindEnsemble(records.ensembles, name));
  return &*std::find_if(records.ensembles.begin(), records.ensembles.end(),
                        [&](const EnsembleRecord& ensemble) { return ensemble.id == id; });
}

}  // namespace

std::string SentenceOnForgotten(const std::vector<EnsembleId>& forgotten) {
  std::vector<std::string_view> names;
  for (const EnsembleId& id : forgotten) names.push_back(id.str());
  return fmt::format("the catalog does not know what lies in {}: `tutti fsck --rebuild` takes {} in",
                     fmt::join(names, ", "), names.size() == 1 ? "it" : "them");
}

Result<JobId> ParseMemberName(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size()) {
    return Fail(ErrorCode::kInvalid, "'{}' names no member; it is written ID/MEMBER, like fashion-mnist-1/lenet5-s0",
                text);
  }
  return JobId{EnsembleId(text.substr(0, slash)), text.substr(slash + 1)};
}

bool Reader::MayLookAside(const Error& error) const {
  return error.code == ErrorCode::kUnreachable && std::holds_alternative<std::filesystem::path>(client_.peer());
}

const std::filesystem::path& Reader::home() const { return std::get<std::filesystem::path>(client_.peer()); }

bool Reader::IsServed() const {
  const auto answer = client_.Ensembles();
  return answer || answer.error().code != ErrorCode::kUnreachable;
}

Result<Records> Reader::ReadCatalog() const {
  // A coordinator that starts or ends does not answer either. Looked at first: once nobody has the home, nothing in it
  // changes.
  const bool held = storage::HomeLock::IsHeld(home());
  std::vector<std::string> warnings;
  auto records = storage::Catalog::ReadNewest(PosixFileSystem(), home(), &warnings);
  if (!warned_) {
    for (const std::string& warning : warnings) PrintToError(fmt::format("tutti: {}\n", warning));
    warned_ = !warnings.empty();
  }
  if (!records && records.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kNotFound, "there is no ensemble in {}; --home or TUTTI_HOME names another home",
                home().string());
  }
  if (records && !held) return server::WithoutProcess(std::move(*records));
  return records;
}

Result<Json> Reader::Ensembles() const {
  auto answer = client_.Ensembles();
  if (answer || !MayLookAside(answer.error())) return answer;
  auto records = ReadCatalog();
  if (!records && records.error().code == ErrorCode::kNotFound) return server::EnsemblesView({});
  if (!records) return tl::unexpected<Error>(std::move(records.error()));
  return server::EnsemblesView(*records, server::ProblemsOf(PosixFileSystem(), home(), *records));
}

Result<std::vector<EnsembleId>> Reader::Forgotten() const {
  if (!std::holds_alternative<std::filesystem::path>(client_.peer())) return std::vector<EnsembleId>();
  TUTTI_ASSIGN_OR_RETURN(const Json known, Ensembles());
  Records records;
  for (const Json& ensemble : known.value("ensembles", Json::array())) {
    records.ensembles.emplace_back().id = EnsembleId(ensemble.value("id", ""));
  }
  return server::FindForgotten(PosixFileSystem(), home(), records);
}

Result<Json> Reader::Ensemble(const std::string& name) const {
  auto found = FindEnsemble(name);
  if (found || found.error().code != ErrorCode::kNotFound) return found;
  TUTTI_ASSIGN_OR_RETURN(const std::vector<EnsembleId> forgotten, Forgotten());
  for (const EnsembleId& id : forgotten) {
    if (name == id.str() || name == "last") return Fail(ErrorCode::kNotFound, "{}", SentenceOnForgotten(forgotten));
  }
  return found;
}

Result<Json> Reader::FindEnsemble(const std::string& name) const {
  auto answer = client_.Ensemble(name);
  if (answer || !MayLookAside(answer.error())) return answer;
  TUTTI_ASSIGN_OR_RETURN(const Records records, ReadCatalog());
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord* record, FindRecord(records, name));
  return server::EnsembleView(records, record->id, {}, server::ReadStored(PosixFileSystem(), home(), *record));
}

Result<spec::EnsembleSpec> Reader::Experiment(const std::string& id) const {
  TUTTI_ASSIGN_OR_RETURN(const Records records, ReadCatalog());
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord* record, FindRecord(records, id));
  return spec::EnsembleFromText(record->spec);
}

Result<std::optional<std::string>> Reader::FindAnswered(const spec::EnsembleSpec& spec) const {
  TUTTI_ASSIGN_OR_RETURN(const Records records, ReadCatalog());
  const EnsembleRecord* same = server::FindSame(records.ensembles, server::SpecHash(spec));
  if (same == nullptr || !server::IsAnswered(same->state)) return std::nullopt;
  if (!server::ReadStored(PosixFileSystem(), home(), *same).problem.empty()) return std::nullopt;
  return same->id.str();
}

Result<std::optional<Reader::BesideTraining>> Reader::FindBesideTraining(const spec::EnsembleSpec& spec) const {
  TUTTI_ASSIGN_OR_RETURN(const Records records, ReadCatalog());
  const EnsembleRecord* same = server::FindSame(records.ensembles, server::SpecHash(spec));
  if (same == nullptr) return std::nullopt;
  Records own;
  const auto is_own = [&](const auto& record) { return record.id.job.ensemble == same->id; };
  std::ranges::copy_if(records.attempts, std::back_inserter(own.attempts), is_own);
  std::ranges::copy_if(records.epochs, std::back_inserter(own.epochs),
                       [&](const EpochRecord& epoch) { return epoch.attempt.job.ensemble == same->id; });
  const auto longest = server::LongestBesideTraining(own);
  if (!longest) return std::nullopt;
  return BesideTraining{*longest, same->id.str()};
}

Result<const JobRecord*> Reader::FindJob(const Records& records, const JobId& job) const {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, server::FindEnsemble(records.ensembles, job.ensemble.str()));
  const JobId wanted{id, job.name};
  const auto found = std::find_if(records.jobs.begin(), records.jobs.end(),
                                  [&](const JobRecord& record) { return record.id == wanted; });
  if (found == records.jobs.end()) {
    return Fail(ErrorCode::kNotFound, "{} has no member {}; `tutti show {}` lists them", id.str(), job.name, id.str());
  }
  return &*found;
}

Result<std::string> Reader::Why(const JobId& job, const NextCommand& next) const {
  auto answer = client_.Why(job.ensemble.str(), job.name);
  if (answer || !MayLookAside(answer.error())) return answer;
  TUTTI_ASSIGN_OR_RETURN(const Records records, ReadCatalog());
  TUTTI_ASSIGN_OR_RETURN(const JobRecord* record, FindJob(records, job));
  const std::string why = record->reason.empty() ? std::string(Name(record->state))
                                                 : fmt::format("{}: {}", Name(record->state), record->reason);
  if (record->state != JobState::kStopped) return why;
  return fmt::format("{}; `{}` goes on with it", why, next.Resume(record->id.ensemble.str()));
}

Result<std::string> Reader::Log(const JobId& job, std::optional<int> attempt, uint64_t offset) const {
  auto answer = client_.Log(job.ensemble.str(), job.name, attempt, offset);
  if (answer || !MayLookAside(answer.error())) return answer;
  TUTTI_ASSIGN_OR_RETURN(const Records records, ReadCatalog());
  TUTTI_ASSIGN_OR_RETURN(const JobRecord* record, FindJob(records, job));
  if (record->attempts == 0) return Fail(ErrorCode::kNotFound, "{} has not been started yet", record->id.str());
  const int number = attempt.value_or(record->attempts);
  if (number < 1 || number > record->attempts) {
    return Fail(ErrorCode::kNotFound, "{} has no attempt {}: its newest is {}", record->id.str(), number,
                record->attempts);
  }
  const auto folder = home() / record->id.ensemble.str() / storage::AttemptFolder({record->id, number});
  FileSystem& files = PosixFileSystem();
  const auto info = files.Stat(folder / "log.txt");
  if (!info && info.error().code == ErrorCode::kNotFound) return std::string();  // its trainer has said nothing
  if (!info) return tl::unexpected<Error>(info.error());
  return files.ReadRange(folder / "log.txt", offset, info->size_bytes - std::min(offset, info->size_bytes));
}

}  // namespace tutti::cli
