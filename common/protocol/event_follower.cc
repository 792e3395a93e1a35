#include "common/protocol/event_follower.h"

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

#include "common/json.h"

namespace tutti::protocol {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

}  // namespace

Result<std::vector<FollowedEvent>> EventFollower::Next() {
  std::vector<FollowedEvent> events;
  const Result<std::string> piece = files_.ReadRange(path_, static_cast<uint64_t>(offset_), kPieceBytes);
  if (!piece && piece.error().code != ErrorCode::kNotFound) return tl::unexpected<Error>(piece.error());
  at_end_ = !piece || piece->size() < kPieceBytes;
  std::string_view rest = piece ? std::string_view(*piece) : std::string_view();
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    offset_ += static_cast<int64_t>(end) + 1;
    if (std::exchange(line_, Line::kWhole) == Line::kTooLong) continue;
    Result<TrainerEvent> event = ParseJson(line).and_then([](const Json& json) { return TrainerEventFromJson(json); });
    if (event) {
      events.push_back({offset_, std::move(*event)});
    } else {
      spdlog::warn("{}: the line that ends at byte {} is no event: {}", path_.string(), offset_, event.error().Text());
    }
  }
  if (rest.size() == kPieceBytes) {
    if (line_ == Line::kWhole) spdlog::warn("{}: a line at byte {} is too long", path_.string(), offset_);
    line_ = Line::kTooLong;
    offset_ += static_cast<int64_t>(rest.size());
  }
  return events;
}

void EventFollower::GoTo(int64_t offset) {
  offset_ = offset;
  at_end_ = false;
  line_ = Line::kWhole;
}

}  // namespace tutti::protocol
