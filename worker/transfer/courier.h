// Threads that carry files to a coordinator and back, beside the agent's own.
#pragma once

#include <functional>
#include <memory>

#include "common/clock.h"
#include "common/network/peer.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "worker/transfer/exchange.h"

namespace tutti::worker {

class Courier {
 public:
  using Work = std::function<Result<void>(Exchange&)>;
  using Done = std::function<void(Result<void>)>;

  // `post`: to the thread that is told what was done. kInternal: no thread can be made.
  Courier(network::Peer coordinator, Duration deadline, protocol::Post post);
  // Ends what is on its way to the coordinator; nothing is told any more.
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // Does `work` when a thread is free, in the order in which it came, and posts `done`. Whoever gives it asks for one
  // piece after the other: what waits is bounded by how many they are.
  void Do(Work work, Done done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::worker
