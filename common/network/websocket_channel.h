// A protocol::Channel over a WebSocket whose handshake is done: one text message a frame.
#pragma once

#include <boost/beast/websocket/stream.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "common/network/stream.h"
#include "common/protocol/channel.h"

namespace tutti::network {

using WebSocket = boost::beast::websocket::stream<Stream>;

// A task that names a million samples fits.
inline constexpr size_t kLargestMessage = size_t{64} << 20;
// A peer that does not take what it is sent is let go; it comes back and is told what matters.
inline constexpr size_t kLongestQueue = size_t{256} << 20;

// Deadlines for the handshake and for a peer that says nothing, pings so that one that lives does; the largest message.
void SetLimits(WebSocket& socket);

// Sends and Close from any thread; handlers through `post`. The socket's own executor runs on one thread. `closed` is
// called there once, when the connection is over, whoever ended it.
std::shared_ptr<protocol::Channel> MakeWebSocketChannel(WebSocket socket, protocol::Post post,
                                                        std::function<void()> closed = {});

}  // namespace tutti::network
