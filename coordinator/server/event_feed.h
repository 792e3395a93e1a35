// What happened, for those who watch: the newest events, numbered, in bounded memory, and streams of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/result.h"
#include "coordinator/server/http.h"

namespace tutti::server {

// Where a watcher stands: all up to this event was seen. Numbers begin anew with each generation, since what was told
// last before a coordinator was lost is not known.
struct FeedPosition {
  Generation generation;
  int64_t number = 0;

  std::string Text() const;  // "3-17"
  static Result<FeedPosition> Parse(std::string_view text);
};

// All on the coordinator's thread.
class EventFeed {
 public:
  explicit EventFeed(Generation generation, size_t capacity = 4096) : generation_(generation), capacity_(capacity) {}
  ~EventFeed() { Close(); }
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  void Publish(TimePoint time, const EnsembleId& ensemble, std::string text);
  // Those who wait are told what was published.
  void Tell() { Wake(""); }
  // Lets every stream that waits say that it is alive.
  void Beat();
  // Every stream ends.
  void Close();

  // The events after `after` of one ensemble, or of all, as text/event-stream: "change", each with its id. Without
  // `after` it begins with "start", whose id says where the events stand now. A watcher whose events are not held any
  // more, or that comes from another generation, is told so first, by "reset". The feed outlives what it gives.
  std::shared_ptr<BodyStream> Follow(std::optional<FeedPosition> after, std::optional<EnsembleId> of);

 private:
  class Stream;
  struct Event {
    TimePoint time;
    EnsembleId ensemble;
    std::string text;
  };
  using Ready = std::function<void(std::string)>;

  int64_t newest() const { return oldest_ + static_cast<int64_t>(events_.size()) - 1; }
  void Wake(const std::string& text);

  const Generation generation_;
  const size_t capacity_;
  std::deque<Event> events_;
  int64_t oldest_ = 1;  // number of the first of them
  struct Waiting {
    std::weak_ptr<Stream> stream;
    Ready ready;
  };
  std::vector<Waiting> waiting_;
  bool closed_ = false;
};

}  // namespace tutti::server
