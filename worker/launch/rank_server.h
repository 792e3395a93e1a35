// The worker's end of its ranks' lifelines: a Unix socket in the runtime folder.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "common/clock.h"
#include "common/ids.h"
#include "common/result.h"
#include "worker/launch/rank_protocol.h"

namespace tutti::worker {

// A rank counts as connected until it and everything that it started have ended: they share its end of the connection.
//
// Not thread-safe: to be used, and destroyed, on the thread that runs the context. Destruction closes every lifeline.
class RankServer {
 public:
  struct Handlers {
    // What a rank becomes; an error is told to the rank, which then ends. One that is kNotFound, nothing being known of
    // the attempt, is told only after `patience`: what was granted may be on its way, see Reconsider.
    std::function<Result<RankOrders>(const RankHello&)> on_hello;
    // The last rank of an attempt is gone.
    std::function<void(const AttemptId&)> on_gone;
  };
  // Makes the socket. kInvalid: its path is too long (107 bytes).
  static Result<std::unique_ptr<RankServer>> Listen(boost::asio::io_context& context,
                                                    const std::filesystem::path& socket, Handlers handlers,
                                                    Duration patience = std::chrono::seconds(10));
  RankServer(const RankServer&) = delete;
  RankServer& operator=(const RankServer&) = delete;
  ~RankServer();

  // More is known of the attempt now: asks again for its ranks that wait.
  void Reconsider(const AttemptId& attempt);
  int Connected(const AttemptId& attempt) const;
  // Ends the attempt's ranks that are connected: each kills its trainer.
  void Fence(const AttemptId& attempt);
  // The same for ranks that do not listen, and for what their trainers left behind: SIGKILL.
  void Kill(const AttemptId& attempt);

 private:
  struct State;
  explicit RankServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tutti::worker
