// Where a coordinator takes workers: the target of their WebSocket's handshake.
#pragma once

#include <string_view>

namespace tutti::network {

inline constexpr std::string_view kWorkerRoute = "/api/v1/workers/channel";

}  // namespace tutti::network
