// Threads on which files travel between the home and workers that do not see it: beside those on which people's
// questions are answered, and those on which the coordinator itself waits for disks.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "common/ids.h"
#include "common/protocol/channel.h"
#include "coordinator/server/http.h"

namespace tutti::server {

// All on the coordinator's thread, but for what it hands to `disk`.
class Transfers {
 public:
  Transfers(protocol::Post disk, protocol::Post events) : disk_(std::move(disk)), events_(std::move(events)) {}

  // Makes the answer on a disk's thread. Of one attempt one piece is taken after the other: while one is at work
  // another is told to come again (kUnreachable).
  void Run(const AttemptId& attempt, const Respond& respond, std::function<HttpResponse()> make);

 private:
  const protocol::Post disk_;
  const protocol::Post events_;
  const std::shared_ptr<std::set<AttemptId>> busy_ = std::make_shared<std::set<AttemptId>>();
};

}  // namespace tutti::server
