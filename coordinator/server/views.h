// The documents of the API (docs/api.md), made of records: the same whether a coordinator serves them or a command
// reads a copy of the catalog. Pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/file_system.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/protocol/trainer_events.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "coordinator/core/core.h"
#include "coordinator/server/outlines.h"

namespace tutti::server {

// What only a living coordinator knows, by job.
struct LiveJob {
  std::optional<protocol::Started> started;    // of the newest attempt
  std::optional<protocol::Progress> progress;  // the last
  std::string reason;                          // why it is not running; replaces the record's
};
using Live = std::map<JobId, LiveJob>;

// The records of a home that no process serves: what ran there, or was about to stop, stopped with its process.
Records WithoutProcess(Records records);

// What an ensemble's folder holds that its rows do not.
struct Stored {
  std::optional<Json> results;  // the content of results.json, once its members were combined
  std::string problem;          // what is lost, and what to do; empty: nothing
};

// {"ensembles": [...]}, newest first, without members. `problems` are those of ProblemsOf.
Json EnsemblesView(const Records& records, const std::map<EnsembleId, std::string>& problems = {});
Json EnsemblesView(const Records& records, const std::map<EnsembleId, std::string>& problems, Outlines& outlines);
// One ensemble with its members. Errors: kNotFound.
Result<Json> EnsembleView(const Records& records, const EnsembleId& id, const Live& live = {},
                          const Stored& stored = {});
// How one introduced itself; nullptr while it is away.
using FindHello = std::function<const protocol::Hello*(const core::Core::WorkerView&)>;
Json WorkersView(std::span<const core::Core::WorkerView> workers, const FindHello& find_hello);
// {"title", "status", "code"}
Json ProblemView(const Error& error);

// The HTTP status that an error has.
int HttpStatus(ErrorCode code);

// The ensemble that a user names: an id, or `last` for the one that was submitted last. Errors: kInvalid for what no
// ensemble can be called, kNotFound.
Result<EnsembleId> FindEnsemble(std::span<const EnsembleRecord> ensembles, std::string_view name);

// What tells resolved experiments apart.
std::string SpecHash(const spec::EnsembleSpec& spec);
// The newest ensemble of the same experiment; null: there is none.
const EnsembleRecord* FindSame(std::span<const EnsembleRecord> ensembles, const std::string& spec_hash);
// Whether its members' answer is there, though fewer of them may have finished than were asked for.
bool IsAnswered(EnsembleState state);

// What `tutti run` ends with: 0 finished, 5 incomplete, 1 failed or cancelled; none while it runs or is stopped.
std::optional<int> ExitCodeOf(EnsembleState state);

// That its folder is gone; empty: it is there, or is to go.
std::string ProblemOfFolder(const FileSystem& files, const std::filesystem::path& home, const EnsembleRecord& ensemble);
// No results before its members were combined, whatever an earlier combination has left there. Where they cannot be
// read, what else is known of the ensemble is shown all the same.
Stored ReadStored(const FileSystem& files, const std::filesystem::path& home, const EnsembleRecord& ensemble);
// The ensembles whose folders are gone, each with a sentence that says so.
std::map<EnsembleId, std::string> ProblemsOf(const FileSystem& files, const std::filesystem::path& home,
                                             const Records& records);

}  // namespace tutti::server
