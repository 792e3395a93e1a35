// What a home tells, whoever knows it: the coordinator that serves it, or else a copy of its catalog. Of a coordinator
// at an address, what that one tells.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/render/next_command.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::cli {

// The documents are those of the API. What is wrong with a catalog that can be read all the same is said on standard
// error, once. Not thread-safe. Errors: kNotFound for an ensemble or member that is not there, kCorrupt, kIo.
class Reader {
 public:
  explicit Reader(network::Peer peer) : client_(std::move(peer)) {}

  Result<Json> Ensembles() const;  // an empty list where there is no home
  // Folders of ensembles that the catalog does not know.
  Result<std::vector<EnsembleId>> Forgotten() const;
  Result<Json> Ensemble(const std::string& name) const;  // an id, or "last"
  // The resolved experiment of an ensemble, by its id. kInvalid when it cannot be read.
  Result<spec::EnsembleSpec> Experiment(const std::string& id) const;
  // The ensemble of this experiment that has an answer already.
  Result<std::optional<std::string>> FindAnswered(const spec::EnsembleSpec& spec) const;
  // What an epoch of this experiment takes at most besides its training steps, and in which ensemble that was measured.
  struct BesideTraining {
    Duration longest{0};
    std::string ensemble;
  };
  Result<std::optional<BesideTraining>> FindBesideTraining(const spec::EnsembleSpec& spec) const;
  Result<std::string> Why(const JobId& job, const NextCommand& next) const;
  // Of that attempt, or the newest, from byte `offset` on: not always up to the end. Empty: there is no more.
  Result<std::string> Log(const JobId& job, std::optional<int> attempt, uint64_t offset) const;

  // True while a coordinator answers.
  bool IsServed() const;

 private:
  // Whether an error leaves it to the home's files to answer.
  bool MayLookAside(const Error& error) const;
  const std::filesystem::path& home() const;
  // kNotFound where there is no catalog, whatever names are looked for.
  Result<Records> ReadCatalog() const;
  Result<Json> FindEnsemble(const std::string& name) const;
  Result<const JobRecord*> FindJob(const Records& records, const JobId& job) const;

  Client client_;
  mutable bool warned_ = false;  // of a damaged catalog
};

// Of one or more: that they are there, and what to do.
std::string SentenceOnForgotten(const std::vector<EnsembleId>& forgotten);

// "small-1/lenet5-s0" with `last` allowed in place of the id. kInvalid.
Result<JobId> ParseMemberName(const std::string& text);

}  // namespace tutti::cli
