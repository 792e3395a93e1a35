// What coordinator and worker say to each other, and the pipe they say it through. Every message is versioned by the
// Hello that opens the conversation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/json.h"
#include "common/protocol/task.h"
#include "common/protocol/trainer_events.h"
#include "common/result.h"

namespace tutti::protocol {

inline constexpr int kChannelVersion = 1;

// ---- worker -> coordinator ----

struct RunningAttempt {
  AttemptId attempt;
  bool leader = false;
  std::vector<int> slots;  // its own slots that the attempt holds
};
struct Hello {
  int version = kChannelVersion;
  WorkerId worker;
  Incarnation incarnation;
  std::string host;
  std::string launch_domain;  // workers of one domain can share a gang
  int slots = 1;
  int threads_per_slot = 1;
  std::string device;              // "cpu", "cuda"
  uint64_t slot_memory_bytes = 0;  // of that device, that each slot has at least; 0: unknown
  std::vector<RunningAttempt> running;
  Generation obeyed;  // the highest generation it has obeyed
};
struct Heartbeat {};
struct AttemptStarted {  // by the leader: the trainer's process exists
  AttemptId attempt;
};
struct AttemptFailedToStart {  // by the leader, or by another worker of the gang whose ranks never came
  AttemptId attempt;
  std::string error;
};
struct AttemptEvent {  // by the leader
  AttemptId attempt;
  int64_t sequence = 0;  // offset in events.jsonl after this line
  TrainerEvent event;
};
struct AttemptExited {  // by the leader, after its last event
  AttemptId attempt;
  int exit_code = 0;  // 128 + signal for a signal's
  std::string last_log_lines;
};
struct SlotsFree {  // by every worker of the gang, for its own slots
  AttemptId attempt;
  std::vector<int> slots;
};
// It was asked to stop: nothing new is for it, what it runs checkpoints and ends. Said again after each Welcome.
struct Leaving {};
using FromWorker = std::variant<Hello, Heartbeat, AttemptStarted, AttemptFailedToStart, AttemptEvent, AttemptExited,
                                SlotsFree, Leaving>;

// ---- coordinator -> worker ----

struct Welcome {};
struct Refused {  // wrong version, or an older incarnation
  std::string reason;
};
struct GrantSlots {  // to every worker of a gang; the leader also gets StartAttempt
  AttemptId attempt;
  std::vector<int> slots;  // this worker's
  std::vector<int> ranks;  // which rank runs on each of them
};
struct StartAttempt {  // to the leader; repeated ones are harmless
  AttemptId attempt;
  Task task;
  std::vector<SlotId> gang;        // in the order of ranks
  std::vector<std::string> hosts;  // of those slots' workers, each as its Hello says; empty: not connected
};
enum class StopReason { kRequested, kCancelled, kPreempted, kPruned, kStale };
struct StopAttempt {  // kStale and kCancelled: end it; the others: checkpoint first
  AttemptId attempt;
  StopReason reason = StopReason::kRequested;
};
struct Acknowledge {  // everything of the attempt up to here is durable
  AttemptId attempt;
  int64_t sequence = 0;
};
struct Leave {};  // nothing more will come; running trainers checkpoint and end
using ToWorker = std::variant<Welcome, Refused, GrantSlots, StartAttempt, StopAttempt, Acknowledge, Leave>;

struct FromWorkerMessage {
  Generation generation;  // that the worker obeys
  Incarnation incarnation;
  FromWorker body;
};
struct ToWorkerMessage {
  Generation generation;  // of the coordinator: a lower one than was obeyed is refused
  ToWorker body;
};

std::string Encode(const FromWorkerMessage& message);
std::string Encode(const ToWorkerMessage& message);
Result<FromWorkerMessage> DecodeFromWorker(std::string_view text);
Result<ToWorkerMessage> DecodeToWorker(std::string_view text);

// One end of a conversation. Text messages arrive whole, in order, at most once; after Close() or a broken connection
// nothing arrives and the close handler is called once.
//
// Send never blocks. Handlers are called on the thread of the executor that the end was made with, never from inside
// Send or Close.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual void Send(std::string message) = 0;
  virtual void Close() = 0;
  virtual void OnMessage(std::function<void(std::string)> handler) = 0;
  virtual void OnClose(std::function<void()> handler) = 0;
};

// Two ends within one process. Each end's handlers are run through its own `post`, which hands a function to that end's
// thread.
using Post = std::function<void(std::function<void()>)>;
std::pair<std::shared_ptr<Channel>, std::shared_ptr<Channel>> MakeLocalChannel(Post post_first, Post post_second);

}  // namespace tutti::protocol
