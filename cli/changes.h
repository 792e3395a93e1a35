// Waits for an ensemble to change, so that it need not be asked for again and again.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "cli/event_stream.h"
#include "common/clock.h"
#include "common/network/peer.h"

namespace tutti::cli {

class Changes {
 public:
  Changes(network::Peer peer, std::string id) : peer_(std::move(peer)), id_(std::move(id)) {}

  // Returns once something has happened to the ensemble, or after `at_most`. Where nobody tells what happens, after a
  // moment.
  void Await(Duration at_most);
  // What happened while this waited, as people read it: the newest last, no more than a screen holds.
  const std::deque<std::string>& news() const { return news_; }

 private:
  bool Listen();
  void Note(const ServerEvent& event);

  const network::Peer peer_;
  const std::string id_;
  std::string seen_;  // id of the last event
  std::deque<std::string> news_;
  std::optional<EventStream> stream_;
  std::chrono::steady_clock::time_point listen_again_{};
};

}  // namespace tutti::cli
