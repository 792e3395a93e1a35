// Who carries files, and to whom: the coordinator takes and gives those of an attempt to who leads it alone.
#pragma once

#include <fmt/format.h>

#include <string>

#include "common/ids.h"
#include "common/network/http_text.h"

namespace tutti::worker {

struct Sender {
  WorkerId worker;
  Incarnation incarnation;

  // "/api/v1/ensembles/ID/members/NAME/attempts/N/WHAT?worker=..."; more of the query may follow.
  std::string Target(const AttemptId& attempt, const std::string& what) const {
    return fmt::format("{}/attempts/{}/{}?worker={}&incarnation={}",
                       network::MemberTarget(attempt.job.ensemble.str(), attempt.job.name), attempt.number, what,
                       network::EncodeUrlPart(worker.str()), incarnation.value);
  }
};

}  // namespace tutti::worker
