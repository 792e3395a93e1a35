// Threads on which files travel between the home and those that do not see it: beside those on which people's
// questions are answered, and those on which the coordinator itself waits for disks.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "common/protocol/channel.h"
#include "coordinator/server/http.h"
#include "coordinator/server/pieces.h"

namespace tutti::server {

// All on the coordinator's thread, but for what it hands to `disk`.
class Transfers {
 public:
  Transfers(protocol::Post disk, protocol::Post copying, protocol::Post events)
      : disk_(std::move(disk)), copying_(std::move(copying)), events_(std::move(events)) {}

  // Makes copies of what came, or removes them, one such work after the other: gigabytes for ensembles must not hold up
  // what workers wait for.
  void Copy(std::function<void()> work) { copying_(std::move(work)); }

  // Makes the answer on a disk's thread. Of one thing ("a-1/m/attempt-1", "the file 0a1b…") one piece is taken after
  // the other: while one is at work another is told to come again (kUnreachable).
  void Run(const std::string& thing, const Respond& respond, std::function<HttpResponse()> make);

 private:
  const protocol::Post disk_;
  const protocol::Post copying_;
  const protocol::Post events_;
  const std::shared_ptr<std::set<std::string>> busy_ = std::make_shared<std::set<std::string>>();
};

// {"bytes", "complete"}, or what was wrong with a piece: 416 where it begins elsewhere, 422 where the whole is not what
// was announced.
HttpResponse ReceivedResponse(const Result<Received>& received);

}  // namespace tutti::server
