#include "cli/event_stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <exception>
#include <tuple>
#include <utility>

#include "common/network/http_exchange.h"
#include "common/network/http_text.h"

namespace tutti::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr Duration kOpening = std::chrono::seconds(30);
// A coordinator gives a sign of life every 15 s.
constexpr Duration kSilence = std::chrono::seconds(45);
constexpr size_t kLongestEvent = size_t{4} << 20;

void TakeLine(std::string_view line, ServerEvent& event, std::string& data) {
  const size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return;
  const std::string_view field = line.substr(0, colon), value = line.substr(colon + 2);
  if (field == "id") event.id = value;
  if (field == "event") event.kind = value;
  if (field == "data") data += value;
}

}  // namespace

std::string ServerEvent::Text(const char* key) const {
  const auto found = data.is_object() ? data.find(key) : data.end();
  return found != data.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<std::vector<ServerEvent>> EventParser::Take(std::string_view piece) {
  std::vector<ServerEvent> events;
  rest_ += piece;
  for (size_t end = rest_.find("\n\n"); end != std::string::npos; end = rest_.find("\n\n")) {
    ServerEvent event;
    std::string data;
    for (size_t at = 0; at < end;) {
      const size_t line_end = std::min(rest_.find('\n', at), end);
      TakeLine(std::string_view(rest_).substr(at, line_end - at), event, data);
      at = line_end + 1;
    }
    rest_.erase(0, end + 2);
    if (event.kind.empty()) continue;
    TUTTI_ASSIGN_OR_RETURN(event.data, ParseJson(data));
    events.push_back(std::move(event));
  }
  if (rest_.size() > kLongestEvent) return Fail(ErrorCode::kInvalid, "the coordinator tells an event that never ends");
  return events;
}

struct EventStream::State {
  State(network::Peer of, network::HttpRequest asked) : peer(std::move(of)), request(std::move(asked)) {}

  asio::awaitable<void> Run();
  asio::awaitable<void> Read(network::Stream& stream);
  bool Keep(Result<std::vector<ServerEvent>> taken);
  void EndWith(ErrorCode code, const std::string& why) {
    if (!error) error = Error{code, fmt::format("{} {}", network::NameOf(peer), why), nullptr};
  }
  // Until it is open, an event or the end is there, or the time has passed.
  void Work(Duration time, const bool& until);

  const network::Peer peer;
  const network::HttpRequest request;
  bool open = false;
  bool news = false;  // an event, or the end
  std::deque<ServerEvent> events;
  std::optional<Error> error;
  asio::io_context io{1};  // last: its coroutine uses what stands above
};

bool EventStream::State::Keep(Result<std::vector<ServerEvent>> taken) {
  if (!taken) {
    error = std::move(taken.error());
    return false;
  }
  std::move(taken->begin(), taken->end(), std::back_inserter(events));
  news = news || !events.empty();
  return true;
}

asio::awaitable<void> EventStream::State::Run() {
  auto stream = co_await network::Connect(io, peer, kOpening);
  if (stream) {
    co_await Read(*stream);
  } else {
    error = std::move(stream.error());
  }
  EndWith(ErrorCode::kUnreachable, "ended");
  open = news = true;
}

asio::awaitable<void> EventStream::State::Read(network::Stream& stream) {
  stream.ExpiresAfter(kOpening);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  auto [failed, count] = co_await http::async_write(stream, request, kTuple);
  if (!failed) std::tie(failed, count) = co_await http::async_read_header(stream, buffer, parser, kTuple);
  if (failed) co_return EndWith(ErrorCode::kUnreachable, "does not answer: " + failed.message());
  const unsigned status = parser.get().result_int();
  open = status < 400;
  EventParser events_in;
  while (!parser.is_done()) {
    stream.ExpiresAfter(kSilence);
    std::tie(failed, count) = co_await http::async_read_some(stream, buffer, parser, kTuple);
    if (failed) co_return EndWith(ErrorCode::kUnreachable, "is not heard any more: " + failed.message());
    if (!open) continue;
    const std::string piece = std::exchange(parser.get().body(), "");
    if (!Keep(events_in.Take(piece))) co_return;
  }
  if (!open) error = network::ProblemOf(static_cast<int>(status), parser.get().body());
}

void EventStream::State::Work(Duration time, const bool& until) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!until && io.run_one_until(end) > 0) {
  }
}

EventStream::EventStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventStream::EventStream(EventStream&&) noexcept = default;
EventStream& EventStream::operator=(EventStream&&) noexcept = default;
EventStream::~EventStream() = default;

Result<EventStream> EventStream::Open(const network::Peer& peer, const std::string& target,
                                      const std::string& last_id) {
  network::HttpRequest request = network::RequestTo(peer, "GET", target);
  request.keep_alive(false);
  request.set(http::field::accept, "text/event-stream");
  if (!last_id.empty()) request.set("Last-Event-ID", last_id);
  auto state = std::make_unique<State>(peer, std::move(request));
  asio::co_spawn(state->io, state->Run(), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  try {
    state->Work(2 * kOpening, state->open);
  } catch (const std::exception& thrown) {
    return Fail(ErrorCode::kIo, "asking {}: {}", network::NameOf(peer), thrown.what());
  }
  if (state->error && state->events.empty()) return tl::unexpected<Error>(*state->error);
  if (!state->open) return Fail(ErrorCode::kTimeout, "{} did not answer in time", network::NameOf(peer));
  return EventStream(std::move(state));
}

Result<std::optional<ServerEvent>> EventStream::Next(Duration patience) {
  State& state = *state_;
  try {
    state.Work(state.events.empty() ? patience : Duration(0), state.news);
  } catch (const std::exception& thrown) {
    return Fail(ErrorCode::kIo, "listening to {}: {}", network::NameOf(state.peer), thrown.what());
  }
  if (!state.events.empty()) {
    ServerEvent event = std::move(state.events.front());
    state.events.pop_front();
    state.news = !state.events.empty() || state.error.has_value();
    return event;
  }
  if (state.error) return tl::unexpected<Error>(*state.error);
  return std::nullopt;
}

}  // namespace tutti::cli
