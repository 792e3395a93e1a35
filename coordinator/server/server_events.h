// Server-sent events, as HTML's standard frames them (https://html.spec.whatwg.org/multipage/server-sent-events.html).
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "common/json.h"

namespace tutti::server {

// Of one piece of a stream: a watcher that reads slowly holds no more of the coordinator's memory than this.
inline constexpr size_t kPieceBytes = size_t{64} << 10;

// What a stream says that has nothing to tell, so that its watcher knows it alive.
inline constexpr std::string_view kAlive = ": alive\n\n";

inline std::string EventText(std::string_view id, std::string_view kind, const Json& data) {
  // What a trainer writes, or a file's name in an error, may be no UTF-8.
  const std::string text = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, kind, text);
}

}  // namespace tutti::server
