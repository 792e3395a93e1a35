// A coordinator as its clients and workers know it, and connections to it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/clock.h"
#include "common/network/address.h"
#include "common/network/stream.h"
#include "common/result.h"

namespace tutti::network {

// Where a coordinator takes workers: the target of their WebSocket's handshake.
inline constexpr std::string_view kWorkerRoute = "/api/v1/workers/channel";

// Over TCP.
struct Remote {
  Address address;
  std::string token;
  std::optional<std::string> fingerprint;  // of its certificate; else the machine's authorities vouch for it
};

// By the socket of its home, whose path this is, or over TCP.
using Peer = std::variant<std::filesystem::path, Remote>;

std::string NameOf(const Peer& peer);  // "the coordinator of /scratch/runs", "the coordinator at https://login1:7350"
std::string AuthorityOf(const Peer& peer);  // for a request's Host
std::string TokenOf(const Peer& peer);      // empty: it asks for none

// A connection whose TLS handshake, where there is one, is done, and whose deadline is off. Errors: kUnreachable,
// kTimeout; kDenied when the peer is not who it should be, or is another user's; kInvalid for a fingerprint that is
// none.
boost::asio::awaitable<Result<Stream>> Connect(boost::asio::io_context& io, const Peer& peer, Duration deadline);

}  // namespace tutti::network
