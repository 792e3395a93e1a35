#include "coordinator/server/event_feed.h"

#include <algorithm>
#include <utility>

#include "common/whole_number.h"
#include "coordinator/server/server_events.h"

namespace tutti::server {

std::string FeedPosition::Text() const { return fmt::format("{}-{}", generation.value, number); }

Result<FeedPosition> FeedPosition::Parse(std::string_view text) {
  const size_t dash = std::min(text.find('-'), text.size());
  const auto generation = ParseWholeNumber<int64_t>(text.substr(0, dash));
  const auto number = ParseWholeNumber<int64_t>(text.substr(std::min(dash + 1, text.size())));
  if (!generation || !number) return Fail(ErrorCode::kInvalid, "'{}' is no event's id, as in 3-17", text);
  return FeedPosition{Generation{*generation}, *number};
}

// Holds its place alone: what it has not read yet lies in the feed, as long as that holds it.
class EventFeed::Stream : public BodyStream, public std::enable_shared_from_this<Stream> {
 public:
  Stream(EventFeed& feed, std::optional<FeedPosition> after, std::optional<EnsembleId> of)
      : feed_(feed), at_(after.value_or(FeedPosition{feed.generation_, feed.newest()})), of_(std::move(of)) {
    if (!after) first_ = EventText(at_.Text(), "start", Json::object());
  }

  void Next(std::function<void(std::string)> ready) override {
    if (feed_.closed_) return ready("");
    std::string text = Read();
    if (!text.empty()) return ready(std::move(text));
    feed_.waiting_.push_back({weak_from_this(), std::move(ready)});
  }

  // What is new to it; empty where nothing is.
  std::string Read() {
    std::string text = std::exchange(first_, "") + Lost();
    while (at_.number < feed_.newest() && text.size() < kPieceBytes) {
      const Event& event = feed_.events_[static_cast<size_t>(++at_.number - feed_.oldest_)];
      if (of_ && event.ensemble != *of_) continue;
      text += EventText(at_.Text(), "change",
                        {{"time", FormatTime(event.time)}, {"ensemble", event.ensemble.str()}, {"text", event.text}});
    }
    return text;
  }

 private:
  // Where events were missed: the state has to be looked at anew, and what follows continues from there.
  std::string Lost() {
    const bool stranger = at_.generation != feed_.generation_ || at_.number > feed_.newest();
    if (!stranger && at_.number >= feed_.oldest_ - 1) return "";
    at_ = {feed_.generation_, feed_.newest()};
    return EventText(at_.Text(), "reset",
                     {{"text", "events before this one are not held any more: look at the state anew"}});
  }

  EventFeed& feed_;
  FeedPosition at_;
  const std::optional<EnsembleId> of_;
  std::string first_;
};

void EventFeed::Publish(TimePoint time, const EnsembleId& ensemble, std::string text) {
  events_.push_back({time, ensemble, std::move(text)});
  if (events_.size() > capacity_) {
    events_.pop_front();
    ++oldest_;
  }
}

// Those that have nothing to say but `text`, where that is nothing, wait on.
void EventFeed::Wake(const std::string& text) {
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    const auto stream = waiting.stream.lock();
    if (!stream) continue;
    std::string piece = stream->Read();
    if (piece.empty()) piece = text;
    if (piece.empty()) {
      waiting_.push_back(std::move(waiting));
    } else {
      waiting.ready(std::move(piece));
    }
  }
}

void EventFeed::Beat() { Wake(std::string(kAlive)); }

void EventFeed::Close() {
  closed_ = true;
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (const auto stream = waiting.stream.lock()) waiting.ready("");
  }
}

std::shared_ptr<BodyStream> EventFeed::Follow(std::optional<FeedPosition> after, std::optional<EnsembleId> of) {
  return std::make_shared<Stream>(*this, after, std::move(of));
}

}  // namespace tutti::server
