// A coordinator over TCP as its clients and workers know it, and connections to it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/network/address.h"
#include "common/network/stream.h"
#include "common/result.h"

namespace tutti::network {

// Where a coordinator takes workers: the target of their WebSocket's handshake.
inline constexpr std::string_view kWorkerRoute = "/api/v1/workers/channel";

struct Remote {
  Address address;
  std::string token;
  std::optional<std::string> fingerprint;  // of its certificate; else the machine's authorities vouch for it
};

// A connection to the first of the address's endpoints that takes one, its TLS handshake done. Its own deadline is off.
// Errors: kUnreachable, kTimeout; kDenied when the peer is not who it should be; kInvalid for a fingerprint that is
// none.
boost::asio::awaitable<Result<Stream>> Connect(boost::asio::io_context& io, const Remote& remote, Duration deadline);

}  // namespace tutti::network
