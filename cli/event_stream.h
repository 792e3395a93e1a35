// What a coordinator tells as it happens (docs/api.md, "Events").
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/network/peer.h"
#include "common/result.h"

namespace tutti::cli {

struct ServerEvent {
  std::string id;
  std::string kind;
  Json data;

  // Of its data; empty where it has no such text.
  std::string Text(const char* key) const;
};

// Takes events off a text/event-stream, however it is cut into pieces. Pure.
class EventParser {
 public:
  // The events that `piece` completes. Comments are none. kInvalid: data that is no JSON, or an event that never ends.
  Result<std::vector<ServerEvent>> Take(std::string_view piece);

 private:
  std::string rest_;
};

// One connection. Not thread-safe; nothing happens but inside its calls.
class EventStream {
 public:
  // Asks for the events of `target` that came after `last_id` (empty: from now on, or as the target says). Errors:
  // kUnreachable, kTimeout, kDenied; those that the coordinator answers.
  static Result<EventStream> Open(const network::Peer& peer, const std::string& target,
                                  const std::string& last_id = "");
  EventStream(EventStream&&) noexcept;
  EventStream& operator=(EventStream&&) noexcept;
  ~EventStream();

  // The next event; none when `patience` passed before. kUnreachable once the stream has ended, or when nothing, not
  // even a sign of life, came for so long that the coordinator must be gone.
  Result<std::optional<ServerEvent>> Next(Duration patience);

 private:
  struct State;
  explicit EventStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tutti::cli
