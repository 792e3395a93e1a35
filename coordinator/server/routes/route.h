// A route of the API, and what the handlers of all of them share.
//
// A new one is a line in the table of a file of this folder; a new file names its table in routes.h and in api.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/file_system.h"
#include "common/protocol/channel.h"
#include "common/records.h"
#include "common/result.h"
#include "coordinator/server/executor.h"
#include "coordinator/server/http.h"
#include "coordinator/server/outlines.h"
#include "coordinator/server/transfers.h"
#include "storage/catalog/catalog.h"

namespace tutti::server {

class NodeKeeper;

// Calls a function on the coordinator's thread after a while.
using Later = std::function<void(Duration, std::function<void()>)>;

// What handlers work with. All on the coordinator's thread, but for what is handed to `disk`.
struct RouteContext {
  protocol::Post disk;    // to a thread that may wait for disks
  protocol::Post events;  // to the coordinator's
  Later later;
  Duration beat;  // what streams say nothing for
  FileSystem* files = nullptr;
  std::filesystem::path home;
  Executor& executor;
  storage::Catalog& catalog;
  Transfers* transfers = nullptr;
  const NodeKeeper* nodes = nullptr;  // where there are nodes on demand
  std::shared_ptr<Outlines> outlines = std::make_shared<Outlines>();
};

struct Route {
  // Answers at once, or later through the Respond; an error at once.
  using Handle = Result<void> (*)(const RouteContext&, const HttpRequest&, const Respond&);

  Method method;
  std::string_view pattern;  // a segment in capitals (ID, NAME) stands for any one
  Role least;
  Handle handle;

  bool Fits(const HttpRequest& request) const;
};

// Of the paths' segments, counted from 0.
inline constexpr size_t kEnsembleSegment = 3;  // /api/v1/ensembles/ID
inline constexpr size_t kMemberSegment = 5;    // /api/v1/ensembles/ID/members/NAME
inline constexpr size_t kArtifactSegment = 5;  // /api/v1/ensembles/ID/artifacts/AID

// The ensemble that the path names, and its member (or its other job).
Result<EnsembleRecord> FindNamed(const RouteContext& context, const HttpRequest& request);
Result<JobRecord> FindMember(const RouteContext& context, const HttpRequest& request);

// kConflict where its folder is gone.
Result<Stored> ReadStoredOf(const RouteContext& context, const EnsembleRecord& ensemble);

// A whole number of the query that is not negative.
Result<int64_t> NumberOf(const HttpRequest& request, const std::string& key, int64_t otherwise);

// "true" or "false", false where the query does not have it.
Result<bool> FlagOf(const HttpRequest& request, const std::string& key);

// The "priority" of a body that has one. kInvalid.
Result<int> PriorityIn(const Json& body);

// What a reader is told who asks for more. kDenied.
tl::unexpected<Error> ReadersLookOnly();

// {"id", "outcome"}
Json Outcome(const EnsembleId& id, std::string_view outcome);

// kUnreachable once the coordinator is ending.
Result<void> CheckOpen(const RouteContext& context);
// Submits; then the ensemble and what became of it are the answer. `key` is committed with it.
void SubmitAndAnswer(const RouteContext& context, core::Event event, const EnsembleId& id, std::string outcome,
                     const Respond& respond, std::optional<SubmissionKey> key = {});

// Makes the answer on a thread that may wait for disks.
void AnswerFromDisk(const RouteContext& context, const Respond& respond, std::function<HttpResponse()> make);
// The answer where making it threw.
HttpResponse BrokenDown(const std::exception& error);

}  // namespace tutti::server
