// Keeps a worker connected to a coordinator over the network: connects, and after every loss connects again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/network/peer.h"
#include "common/protocol/channel.h"
#include "common/result.h"

namespace boost::asio {
class io_context;
}

namespace tutti::worker {

struct LinkOptions {
  network::Peer coordinator;                                // with the operator's token
  Duration connect_deadline = std::chrono::seconds(10);     // from the first packet to the end of the handshake
  Duration first_backoff = std::chrono::milliseconds(500);  // doubled with each failure; a random half of it is waited
  Duration longest_backoff = std::chrono::seconds(15);
  // How long it may be without a connection, from the beginning too, before it connects no more; none: for ever.
  std::optional<Duration> longest_absence = {};
  // What becomes of the connection, for people: a sentence once it changes, not with each try. On the context's thread.
  std::function<void(const std::string&)> tell = [](const std::string&) {};
};

// All on the thread that runs the context.
class CoordinatorLink {
 public:
  struct Handlers {
    protocol::Post post;                                             // to the thread of the channels' handlers
    std::function<void(std::shared_ptr<protocol::Channel>)> attach;  // a new connection; the former one is over
    // It connects no more. kDenied: the coordinator does not take the token, or is not the one that it should be.
    // kInvalid: what answers there is no coordinator of this release. Both only where it was never connected.
    // kUnreachable: it was without a connection for too long.
    std::function<void(Error)> give_up;
  };
  // Begins at once, and ends with the context.
  CoordinatorLink(boost::asio::io_context& io, LinkOptions options, Handlers handlers);
  CoordinatorLink(const CoordinatorLink&) = delete;
  CoordinatorLink& operator=(const CoordinatorLink&) = delete;
  ~CoordinatorLink();  // the context runs no more

  // Connects no more. `done` is called, perhaps at once, when the connection that there is has been closed and what was
  // sent through it before is on its way.
  void Stop(std::function<void()> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::worker
