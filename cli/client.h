// Asks a coordinator (docs/api.md): the one that serves a home, over its Unix socket, or one at an address.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/network/peer.h"
#include "common/result.h"
#include "common/spec/experiment_files.h"

namespace tutti::cli {

// One request a connection; every call returns within its deadline once there is a connection, for which, and for a
// sign of life, ten seconds are given. Errors: kUnreachable when no coordinator is there, kTimeout, kIo; those that the
// coordinator answers, with its sentence; kInvalid for an answer that is none.
class Client {
 public:
  explicit Client(network::Peer peer, Duration deadline = std::chrono::seconds(30))
      : peer_(std::move(peer)), deadline_(deadline) {}

  // The coordinator's home as it sees it, with the mark that lies in it.
  struct Home {
    std::filesystem::path path;
    std::string mark;
  };
  Result<Home> FindHome() const;
  bool Answers() const;  // somebody, whatever it is
  struct Health {
    std::string version;
    std::string time;  // there: "2026-03-01T12:00:00.250Z"
  };
  Result<Health> AskHealth() const;
  Result<Json> Workers() const;
  // Gives a worker nothing new; what runs there goes on to its end, or checkpoints and goes on elsewhere.
  Result<void> Drain(const std::string& worker, bool checkpoint) const;
  Result<void> Undrain(const std::string& worker) const;
  Result<Json> Ensembles() const;
  Result<Json> Ensemble(const std::string& id) const;  // or "last"
  Result<std::string> Why(const std::string& id, const std::string& member) const;
  // Of that attempt, or the newest, from byte `offset` on: as much as one answer holds. Empty: there is no more.
  Result<std::string> Log(const std::string& id, const std::string& member, std::optional<int> attempt,
                          uint64_t offset) const;

  struct Submitted {
    std::string id;
    std::string outcome;  // created, continued, finished
  };
  enum class Again { kContinue, kStartAnother };
  // `experiment` is the resolved one, `source` what its user wrote. Repeated with the same key, it gives the same
  // ensemble, whatever `again` says, and as outcome how that one stands. kNotFound: a file is to be sent first.
  struct Submission {
    Json experiment;
    spec::FileHashes files = {};  // that travel with it
    std::string source = {};
    Again again = Again::kContinue;
    std::string key = {};  // empty: none
    std::optional<int> priority = {};
  };
  Result<Submitted> Submit(const Submission& submission) const;
  // What it is in the home that nobody needs, deleted but for a dry run.
  Result<Json> CollectGarbage(bool dry_run) const;
  // What would become of an experiment that were submitted now.
  Result<Json> Plan(const Json& experiment, std::optional<int> priority) const;
  Result<void> Prioritise(const std::string& id, int priority) const;
  Result<void> Cancel(const std::string& id) const;
  Result<void> Resume(const std::string& id) const;  // no error for a finished one: nothing is left to do
  Result<void> Remove(const std::string& id) const;

  const network::Peer& peer() const { return peer_; }

 private:
  Result<std::string> Ask(const std::string& method, const std::string& target, std::string body) const;
  Result<Json> AskJson(const std::string& method, const std::string& target, const Json& body) const;

  network::Peer peer_;
  Duration deadline_;
};

}  // namespace tutti::cli
