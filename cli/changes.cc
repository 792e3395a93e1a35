#include "cli/changes.h"

#include <algorithm>
#include <thread>

#include "common/network/http_text.h"

namespace tutti::cli {
namespace {

constexpr Duration kMoment{250};
constexpr size_t kNews = 100;
constexpr Duration kBetweenTries = std::chrono::seconds(2);

}  // namespace

bool Changes::Listen() {
  if (stream_) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now < listen_again_) return false;
  listen_again_ = now + kBetweenTries;
  auto opened = EventStream::Open(peer_, network::EnsembleTarget(id_) + "/events", seen_);
  if (opened) stream_ = std::move(*opened);
  return stream_.has_value();
}

void Changes::Note(const ServerEvent& event) {
  seen_ = event.id;
  const std::string text = event.Text("text"), time = event.Text("time");  // as in 2026-03-01T12:00:00.250Z
  if (event.kind != "change" || text.empty()) return;
  news_.push_back((time.size() > 19 ? time.substr(11, 8) + "  " : "") + text);
  if (news_.size() > kNews) news_.pop_front();
}

void Changes::Await(Duration at_most) {
  if (!Listen()) return std::this_thread::sleep_for(std::min(kMoment, at_most));
  Duration patience = at_most;
  while (true) {
    const auto event = stream_->Next(patience);
    if (!event) return stream_.reset();
    if (!*event) return;
    Note(**event);
    patience = Duration(0);  // what has happened by now is one change
  }
}

}  // namespace tutti::cli
