// The routes of docs/api.md: finds the one that a request asks for. They themselves are in routes/.
#pragma once

#include <filesystem>

#include "common/file_system.h"
#include "common/protocol/channel.h"
#include "coordinator/server/executor.h"
#include "coordinator/server/http.h"
#include "coordinator/server/routes/route.h"
#include "storage/catalog/catalog.h"

namespace tutti::server {

// All on the coordinator's thread, but for what it hands to `disk`.
class Api {
 public:
  struct Surroundings {
    protocol::Post disk;    // to a thread that may wait for disks
    protocol::Post events;  // to the coordinator's
    Later later;
    Duration beat{};
    FileSystem* files = nullptr;
    std::filesystem::path home;
    Transfers* transfers = nullptr;
    NodeKeeper* nodes = nullptr;  // where there are nodes on demand
  };
  Api(Surroundings here, Executor& executor, storage::Catalog& catalog)
      : context_{std::move(here.disk),
                 std::move(here.events),
                 std::move(here.later),
                 here.beat,
                 here.files,
                 std::move(here.home),
                 executor,
                 catalog,
                 here.transfers,
                 here.nodes} {}

  void Handle(const HttpRequest& request, const Respond& respond);

 private:
  void HandleRoute(const Route& route, const HttpRequest& request, const Respond& respond);

  const RouteContext context_;
};

}  // namespace tutti::server
