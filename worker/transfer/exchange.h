// Requests to a coordinator over one connection, by a thread that may wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/network/peer.h"
#include "common/result.h"

namespace tutti::worker {

class Exchange {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::string body = {};
    struct Range {
      uint64_t first = 0;
      uint64_t length = 0;
    };
    std::optional<Range> range = {};
  };

  // `deadline`: for a connection, and for each request with its answer.
  Exchange(network::Peer peer, Duration deadline);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The answer's body. Connects where there is no connection, and once more where the one that there was has ended:
  // what is asked may be asked twice. Errors: those of network::Connect; kUnreachable, of the coordinator's own faults
  // as well; kTimeout; what the answer tells.
  Result<std::string> Ask(const Request& request);
  void Disconnect();

  // From any thread: what is asked, now and from now on, ends with kCancelled.
  void Cancel();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::worker
