// The workers' ends of conversations: who is at the other end of each channel, and what they say as events of the core.
// All on the coordinator's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/ids.h"
#include "common/protocol/channel.h"
#include "coordinator/core/events.h"

namespace tutti::server {

class WorkerSessions {
 public:
  using Sink = std::function<void(core::Event)>;
  WorkerSessions(Generation generation, Sink sink) : generation_(generation), sink_(std::move(sink)) {}

  // Listens to a new peer. Its first message must be Hello; one that begins otherwise, or whose message cannot be read,
  // is refused and let go. So is one that says Hello again as somebody else, and one to which the core Tells that it is
  // Refused.
  void Attach(std::shared_ptr<protocol::Channel> channel);

  // Dropped when this incarnation is not connected.
  void Tell(const WorkerId& worker, Incarnation incarnation, const protocol::ToWorker& message);

  // How this incarnation introduced itself; nullptr when it is not connected.
  const protocol::Hello* Find(const WorkerId& worker, Incarnation incarnation) const;

  // Says goodbye to all.
  void LeaveAll();
  // Lets all go without a word.
  void CloseAll();

 private:
  struct Session {
    std::shared_ptr<protocol::Channel> channel;
    std::optional<protocol::Hello> hello;
  };

  void Hear(int64_t number, const std::string& text);
  void Welcome(int64_t number, const protocol::Hello& hello);
  void Refuse(int64_t number, std::string reason);
  void Lose(int64_t number);
  void Send(const Session& session, const protocol::ToWorker& message);
  const Session* SessionOf(const WorkerId& worker, Incarnation incarnation) const;

  const Generation generation_;
  const Sink sink_;
  std::map<int64_t, Session> sessions_;
  std::map<WorkerId, std::map<Incarnation, int64_t>> by_worker_;
  int64_t next_number_ = 1;
};

}  // namespace tutti::server
