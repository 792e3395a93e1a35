// A worker whose trainers are functions of the test: they write real files and say what trainers say.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/protocol/channel.h"
#include "coordinator/server/coordinator.h"

namespace tutti::testing {

// The data that it pretends to have: 60 training and 20 test samples of 3 classes; sample i is of class i % 3.
inline constexpr int64_t kTrainingSamples = 60;
inline constexpr int64_t kTestSamples = 20;
inline constexpr int kClasses = 3;

class FakeWorker {
 public:
  // What a member's attempt does after it has started, on the worker's thread.
  using Play = std::function<void(FakeWorker&, const protocol::StartAttempt&)>;

  FakeWorker(server::Coordinator& coordinator, int slots, Incarnation incarnation, std::string name = "n1",
             std::string launch_domain = "");
  ~FakeWorker();

  // By member; others finish at once. To be called before the ensemble is submitted.
  void Script(std::string member, Play play);
  // What a StopAttempt does; by default a checkpoint and exit code 75.
  void OnStop(std::function<void(FakeWorker&, const protocol::StopAttempt&)> handler);

  // ---- what a trainer does; on the worker's thread or before the coordinator is asked for anything ----
  void Inspect(const protocol::StartAttempt& start);
  void Started(const protocol::StartAttempt& start);
  // A committed checkpoint on disk; `tell` says it, too.
  protocol::CheckpointWritten WriteCheckpoint(const protocol::Task& task, int64_t step);
  void Checkpoint(const protocol::StartAttempt& start, int64_t step);
  void Epoch(const protocol::StartAttempt& start, int epoch, int64_t step);
  void Predict(const protocol::StartAttempt& start);
  void Say(const protocol::StartAttempt& start, protocol::TrainerEvent event);
  void Exit(const protocol::StartAttempt& start, int code);
  void Finish(const protocol::StartAttempt& start);  // all of it, from start to exit code 0
  void Send(protocol::FromWorker body);
  // From now on nobody hears it, as when its coordinator is gone: its trainers write on.
  void Hush();
  const protocol::StartAttempt& start_of_now(const AttemptId& attempt) const { return starts_.at(attempt); }

  // Waits until `condition`, which is asked on the worker's thread after each message, holds.
  bool WaitFor(std::function<bool()> condition);
  bool WaitForStart(const std::string& job, int attempt = 1);
  std::optional<protocol::StartAttempt> start_of(const std::string& job, int attempt = 1);
  std::vector<std::string> heard();                    // the kinds of messages, in order: "start_attempt"
  std::vector<std::string> started();                  // "lenet5-s0/1", in order
  std::vector<int> granted(const AttemptId& attempt);  // slots
  bool closed();
  std::optional<std::string> refusal();
  // Runs something on the worker's thread and waits for it.
  void Do(std::function<void()> work);

 private:
  void Run();
  void Post(std::function<void()> work);
  void Hear(const std::string& text);
  void On(const protocol::Welcome&) {}
  void On(const protocol::Refused& message);
  void On(const protocol::GrantSlots& message);
  void On(const protocol::StartAttempt& message);
  void On(const protocol::StopAttempt& message);
  void On(const protocol::Acknowledge&) {}
  void On(const protocol::Leave&) {}

  const WorkerId id_;
  const Incarnation incarnation_;
  const Generation generation_;
  std::map<std::string, Play> scripts_;
  std::function<void(FakeWorker&, const protocol::StopAttempt&)> on_stop_;
  std::map<AttemptId, protocol::StartAttempt> starts_;
  std::map<AttemptId, std::vector<int>> slots_;
  std::map<AttemptId, int64_t> sequence_;
  std::vector<std::string> heard_;
  std::vector<std::string> order_;
  std::optional<std::string> refusal_;
  bool closed_ = false;
  bool hushed_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  int64_t handled_ = 0;  // pieces of work that are done
  bool ending_ = false;
  // Goes before what its messages are posted to: the coordinator may speak up to the last moment.
  std::shared_ptr<protocol::Channel> channel_;
  std::thread thread_;
};

}  // namespace tutti::testing
