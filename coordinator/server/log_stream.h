// The log of a job as it is written, for those who follow it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "common/ids.h"
#include "coordinator/server/http.h"
#include "coordinator/server/routes/route.h"

namespace tutti::server {

struct LogPlace {
  int attempt = 1;
  int64_t offset = 0;

  std::string Text() const;  // "1-4096", the id of an event
  static Result<LogPlace> Parse(std::string_view text);
};

// Where the log of an attempt lies.
std::filesystem::path LogFile(const RouteContext& context, const AttemptId& attempt);

// Events "log" with {"attempt", "offset", "text"}, whose ids are the places behind them, on into further attempts;
// "end" once the job has ended and all was told. A log that cannot be read is told as "problem", which ends it.
std::shared_ptr<BodyStream> FollowLog(const RouteContext& context, const JobId& job, LogPlace from);

}  // namespace tutti::server
