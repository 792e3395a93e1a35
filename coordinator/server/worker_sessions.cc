#include "coordinator/server/worker_sessions.h"

#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

namespace tutti::server {

using protocol::Hello;

void WorkerSessions::Attach(std::shared_ptr<protocol::Channel> channel) {
  const int64_t number = next_number_++;
  protocol::Channel& end = *channel;
  sessions_.emplace(number, Session{std::move(channel), std::nullopt});
  end.OnClose([this, number] { Lose(number); });
  end.OnMessage([this, number](const std::string& text) { Hear(number, text); });
}

void WorkerSessions::Hear(int64_t number, const std::string& text) {
  const auto session = sessions_.find(number);
  if (session == sessions_.end()) return;
  auto message = protocol::DecodeFromWorker(text);
  if (!message) return Refuse(number, message.error().Text());
  if (const auto* hello = std::get_if<Hello>(&message->body)) return Welcome(number, *hello);
  if (!session->second.hello) return Refuse(number, "the first message must be Hello");
  const Hello& known = *session->second.hello;
  // One that still obeys an older coordinator has not heard our Welcome: it will say again what matters.
  if (message->incarnation != known.incarnation || message->generation > generation_) return;
  sink_(core::WorkerSaid{known.worker, known.incarnation, std::move(message->body)});
}

void WorkerSessions::Welcome(int64_t number, const Hello& hello) {
  // Whether it may join, by its version, incarnation and generation, is for the core to say.
  if (hello.worker.empty()) return Refuse(number, "a worker needs a name");
  const std::optional<Hello>& before = sessions_.at(number).hello;
  if (before && (before->worker != hello.worker || before->incarnation != hello.incarnation)) {
    return Refuse(number, fmt::format("a channel is one process's: this one was opened by {}", before->worker));
  }
  if (const Session* former = SessionOf(hello.worker, hello.incarnation); former != nullptr) {
    // The same process has come back through another channel: the former is dead, whether it knows or not.
    const int64_t former_number = by_worker_[hello.worker][hello.incarnation];
    if (former_number != number) {
      former->channel->Close();
      sessions_.erase(former_number);
    }
  }
  sessions_.at(number).hello = hello;
  by_worker_[hello.worker][hello.incarnation] = number;
  sink_(core::WorkerJoined{hello});
}

void WorkerSessions::Refuse(int64_t number, std::string reason) {
  spdlog::warn("a worker is let go: {}", reason);
  Session& session = sessions_.at(number);
  Send(session, protocol::Refused{std::move(reason)});
  session.channel->Close();
}

void WorkerSessions::Lose(int64_t number) {
  const auto session = sessions_.find(number);
  if (session == sessions_.end()) return;
  const std::optional<Hello> hello = std::move(session->second.hello);
  sessions_.erase(session);
  if (!hello) return;
  const auto worker = by_worker_.find(hello->worker);
  if (worker == by_worker_.end()) return;
  const auto incarnation = worker->second.find(hello->incarnation);
  if (incarnation == worker->second.end() || incarnation->second != number) return;
  worker->second.erase(incarnation);
  if (worker->second.empty()) by_worker_.erase(worker);
  sink_(core::WorkerDisconnected{hello->worker, hello->incarnation});
}

void WorkerSessions::Send(const Session& session, const protocol::ToWorker& message) {
  session.channel->Send(protocol::Encode(protocol::ToWorkerMessage{generation_, message}));
}

const WorkerSessions::Session* WorkerSessions::SessionOf(const WorkerId& worker, Incarnation incarnation) const {
  const auto known = by_worker_.find(worker);
  if (known == by_worker_.end()) return nullptr;
  const auto number = known->second.find(incarnation);
  return number == known->second.end() ? nullptr : &sessions_.at(number->second);
}

void WorkerSessions::Tell(const WorkerId& worker, Incarnation incarnation, const protocol::ToWorker& message) {
  const Session* session = SessionOf(worker, incarnation);
  if (session == nullptr) return;
  Send(*session, message);
  if (!std::holds_alternative<protocol::Refused>(message)) return;
  session->channel->Close();
  auto& incarnations = by_worker_[worker];
  incarnations.erase(incarnation);
  if (incarnations.empty()) by_worker_.erase(worker);
}

const Hello* WorkerSessions::Find(const WorkerId& worker, Incarnation incarnation) const {
  const Session* session = SessionOf(worker, incarnation);
  return session == nullptr ? nullptr : &*session->hello;
}

void WorkerSessions::LeaveAll() {
  for (auto& [number, session] : sessions_) {
    if (session.hello) Send(session, protocol::Leave{});
  }
  CloseAll();
}

void WorkerSessions::CloseAll() {
  by_worker_.clear();
  for (auto& [number, session] : std::exchange(sessions_, {})) session.channel->Close();
}

}  // namespace tutti::server
