// The routes of docs/api.md.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "common/file_system.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "coordinator/server/executor.h"
#include "coordinator/server/http.h"
#include "storage/catalog/catalog.h"

namespace tutti::server {

// All on the coordinator's thread, but for what it hands to `disk`.
class Api {
 public:
  struct Surroundings {
    protocol::Post disk;  // to a thread that may wait for disks
    FileSystem* files = nullptr;
    std::filesystem::path home;
  };
  Api(Surroundings surroundings, Executor& executor, storage::Catalog& catalog)
      : here_(std::move(surroundings)), executor_(executor), catalog_(catalog) {}

  void Handle(const HttpRequest& request, const Respond& respond);

 private:
  struct Route;
  static const Route kRoutes[];

  void HandleRoute(const Route& route, const HttpRequest& request, const Respond& respond);
  // Makes the answer on a thread that may wait for disks.
  void AnswerFromDisk(const Respond& respond, std::function<HttpResponse()> make);

  // Answers at once, or later through the Respond; an error at once.
  Result<void> Health(const HttpRequest& request, const Respond& respond);
  Result<void> ShowHome(const HttpRequest& request, const Respond& respond);
  Result<void> ListEnsembles(const HttpRequest& request, const Respond& respond);
  Result<void> SubmitEnsemble(const HttpRequest& request, const Respond& respond);
  Result<void> ShowEnsemble(const HttpRequest& request, const Respond& respond);
  Result<void> CancelEnsemble(const HttpRequest& request, const Respond& respond);
  Result<void> ResumeEnsemble(const HttpRequest& request, const Respond& respond);
  Result<void> RemoveEnsemble(const HttpRequest& request, const Respond& respond);
  Result<void> ShowLog(const HttpRequest& request, const Respond& respond);
  Result<void> ShowWhy(const HttpRequest& request, const Respond& respond);
  Result<void> ListWorkers(const HttpRequest& request, const Respond& respond);

  // The ensemble that the path names, and its member.
  Result<EnsembleRecord> FindNamed(const HttpRequest& request);
  Result<JobRecord> FindMember(const HttpRequest& request);
  // Answers with what is there, or goes on with it.
  Result<void> ContinueWith(const EnsembleRecord& ensemble, const Respond& respond);
  // kConflict where its folder is gone.
  Result<Stored> ReadStoredOf(const EnsembleRecord& ensemble) const;
  // kConflict where a folder that no row knows holds what was trained of this experiment.
  Result<void> CheckNotForgotten(const std::string& spec_hash) const;
  void AnswerRemoved(const EnsembleId& id, const Respond& respond);
  Result<void> CheckOpen() const;  // kUnreachable once the coordinator is ending
  // Submits; then the ensemble and what became of it are the answer.
  void SubmitAndAnswer(core::Event event, const EnsembleId& id, std::string outcome, const Respond& respond);
  Result<EnsembleId> CreateEnsemble(const spec::EnsembleSpec& spec, const std::optional<std::string>& source);

  const Surroundings here_;
  Executor& executor_;
  storage::Catalog& catalog_;
};

}  // namespace tutti::server
