#include "coordinator/server/http_server.h"

#include <sys/stat.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/version.hpp>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "coordinator/server/home_socket.h"

namespace tutti::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::local::stream_protocol;
using boost::system::error_code;
using Stream = beast::basic_stream<stream_protocol>;
using Parser = http::request_parser<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// How long a peer that sent what we will not read may take to read why.
constexpr auto kLinger = std::chrono::seconds(2);
// Descriptors may be short for a while; accepting on at once would burn a core.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

// Which file a name stands for.
struct SocketFile {
  dev_t device;
  ino_t number;

  static std::optional<SocketFile> At(const std::filesystem::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
    return SocketFile{status.st_dev, status.st_ino};
  }
  bool operator==(const SocketFile&) const = default;
};

Method MethodOf(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::post:
      return Method::kPost;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

HttpRequest RequestOf(http::request<http::string_body>& message) {
  const auto target = message.target();
  HttpRequest request = ParseTarget(MethodOf(message.method()), std::string_view(target.data(), target.size()));
  request.body = std::move(message.body());
  return request;
}

http::response<http::string_body> MessageOf(HttpResponse answer, unsigned version, bool keep_alive) {
  http::response<http::string_body> message(static_cast<http::status>(answer.status), version);
  message.set(http::field::content_type, answer.content_type);
  message.keep_alive(keep_alive);
  message.body() = std::move(answer.body);
  message.prepare_payload();
  return message;
}

// What to tell a peer whose request cannot be read; nothing when it has gone or was too slow.
std::optional<HttpResponse> AnswerToBroken(error_code error, const ApiLimits& limits) {
  const auto problem = [](std::string title, int status) {
    return ProblemResponse(Error{ErrorCode::kInvalid, std::move(title), nullptr}, status);
  };
  if (error == http::error::body_limit) {
    return problem(fmt::format("a request's body may have {} bytes", limits.body_bytes), 413);
  }
  if (error == http::error::header_limit) {
    return problem(fmt::format("a request's header may have {} bytes", limits.header_bytes), 431);
  }
  const bool gone = error == http::error::end_of_stream || error == http::error::partial_message ||
                    error.category() != make_error_code(http::error::end_of_stream).category();
  if (gone) return std::nullopt;
  return problem(fmt::format("this is no HTTP request: {}", error.message()), 400);
}

asio::awaitable<void> WriteAnswer(Stream& stream, HttpResponse answer, unsigned version, bool keep_alive,
                                  Duration deadline) {
  http::response<http::string_body> message = MessageOf(std::move(answer), version, keep_alive);
  stream.expires_after(deadline);
  co_await http::async_write(stream, message, kTuple);
}

// A close with bytes unread would throw away the answer on its way: the peer's bytes are read until it has ended.
asio::awaitable<void> Linger(Stream& stream) {
  error_code ignored;
  stream.socket().shutdown(stream_protocol::socket::shutdown_send, ignored);
  stream.expires_after(kLinger);
  std::array<char, 4096> thrown_away;
  while (true) {
    const auto [error, count] = co_await stream.async_read_some(asio::buffer(thrown_away), kTuple);
    if (error) co_return;
  }
}

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, std::filesystem::path folder, const ApiLimits& bounds, HttpHandler handle)
      : events(context), acceptor(context), home(std::move(folder)), limits(bounds), handler(std::move(handle)) {}

  class Session;

  Result<void> Open();
  asio::awaitable<void> Accept();
  asio::awaitable<void> Serve(stream_protocol::socket socket);
  asio::awaitable<void> TurnAway(stream_protocol::socket socket);
  asio::awaitable<HttpResponse> Ask(HttpRequest request);
  asio::awaitable<bool> AnswerOne(Session& session, beast::flat_buffer& buffer);
  void TellWhenDrained();

  asio::io_context& events;
  stream_protocol::acceptor acceptor;
  const std::filesystem::path home;
  const ApiLimits limits;
  const HttpHandler handler;
  std::optional<SocketFile> socket_file;
  std::set<Session*> sessions;
  bool stopping = false;
  std::function<void()> drained;
};

// A connection. Its server knows it as long as it lives, however the coroutine ends that holds it: one that waits for
// an answer which nobody gives is unwound.
class HttpServer::State::Session {
 public:
  enum class Phase { kReading, kAnswering };

  Session(State& server, stream_protocol::socket socket, Phase first)
      : stream(std::move(socket)), phase(first), server_(server) {
    server_.sessions.insert(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    server_.sessions.erase(this);
    server_.TellWhenDrained();
  }

  Stream stream;
  Phase phase;

 private:
  State& server_;
};

Result<void> HttpServer::State::Open() {
  const std::filesystem::path path = home / kSocketName;
  std::error_code removal;
  std::filesystem::remove(path, removal);
  if (removal) return FailErrno(removal.value(), fmt::format("cannot replace the stale socket {}", path.string()));
  TUTTI_ASSIGN_OR_RETURN(const HomeSocketAddress address, HomeSocketAddress::In(home));
  error_code error;
  acceptor.open(stream_protocol(), error);
  // A socket's own mode is that of its file from the moment when it is bound: there is none when others may connect.
  if (!error && ::fchmod(acceptor.native_handle(), 0600) != 0) error.assign(errno, boost::system::system_category());
  if (!error) acceptor.bind(stream_protocol::endpoint(address.path()), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return FailErrno(error.value(), fmt::format("cannot listen on {}", path.string()));
  socket_file = SocketFile::At(path);
  return {};
}

asio::awaitable<void> HttpServer::State::Accept() {
  const auto self = shared_from_this();
  asio::steady_timer pause(events);
  while (!stopping) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (stopping || error == asio::error::operation_aborted) co_return;
    if (error) {
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kTuple);
    } else if (sessions.size() < limits.connections) {
      asio::co_spawn(events, Serve(std::move(socket)), asio::detached);
    } else if (sessions.size() < 2 * limits.connections) {
      asio::co_spawn(events, TurnAway(std::move(socket)), asio::detached);
    }
  }
}

asio::awaitable<void> HttpServer::State::TurnAway(stream_protocol::socket socket) {
  const auto self = shared_from_this();
  Session session(*this, std::move(socket), Session::Phase::kAnswering);
  const Error busy{ErrorCode::kUnreachable,
                   fmt::format("{} connections are open already: close some or try again", limits.connections),
                   nullptr};
  co_await WriteAnswer(session.stream, ProblemResponse(busy), 11, false, kLinger);
  co_await Linger(session.stream);
}

asio::awaitable<void> HttpServer::State::Serve(stream_protocol::socket socket) {
  const auto self = shared_from_this();
  Session session(*this, std::move(socket), Session::Phase::kReading);
  beast::flat_buffer buffer;
  bool more = true;
  while (more) more = co_await AnswerOne(session, buffer);
}

// Reads one request and answers it. False when the connection is to be closed.
asio::awaitable<bool> HttpServer::State::AnswerOne(Session& session, beast::flat_buffer& buffer) {
  Parser parser;
  parser.header_limit(limits.header_bytes);
  parser.body_limit(limits.body_bytes);
  session.phase = Session::Phase::kReading;
  session.stream.expires_after(limits.deadline);
  const auto [error, count] = co_await http::async_read(session.stream, buffer, parser, kTuple);
  session.phase = Session::Phase::kAnswering;
  if (error) {
    std::optional<HttpResponse> answer = AnswerToBroken(error, limits);
    if (!answer) co_return false;
    co_await WriteAnswer(session.stream, std::move(*answer), 11, false, limits.deadline);
    co_await Linger(session.stream);
    co_return false;
  }
  http::request<http::string_body> message = parser.release();
  const unsigned version = message.version();
  session.stream.expires_never();
  HttpResponse answer = co_await Ask(RequestOf(message));
  const bool keep_alive = message.keep_alive() && !stopping;
  co_await WriteAnswer(session.stream, std::move(answer), version, keep_alive, limits.deadline);
  co_return keep_alive;
}

// The handler answers when it can, from any thread; the answer comes back on ours.
asio::awaitable<HttpResponse> HttpServer::State::Ask(HttpRequest request) {
  const auto start = [this](auto completion, HttpRequest asked) {
    auto shared = std::make_shared<decltype(completion)>(std::move(completion));
    handler(std::move(asked), [this, shared](HttpResponse response) {
      asio::post(events, [shared, answer = std::move(response)]() mutable { std::move (*shared)(std::move(answer)); });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(HttpResponse)>(start, asio::use_awaitable,
                                                                                             std::move(request));
}

void HttpServer::State::TellWhenDrained() {
  if (sessions.empty() && drained) asio::post(events, std::exchange(drained, nullptr));
}

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(asio::io_context& events, const std::filesystem::path& home,
                                                       const ApiLimits& limits, HttpHandler handler) {
  auto state = std::make_shared<State>(events, home, limits, std::move(handler));
  TUTTI_RETURN_IF_ERROR(state->Open());
  asio::co_spawn(events, state->Accept(), asio::detached);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  Stop({});
  state_->drained = nullptr;  // whoever waited for it may be gone when the last connection is unwound
  for (State::Session* session : state_->sessions) session->stream.close();
}

void HttpServer::Stop(std::function<void()> drained) {
  if (std::exchange(state_->stopping, true)) return;
  error_code ignored;
  state_->acceptor.close(ignored);
  // One that has taken over the home listens under the same name.
  const std::filesystem::path path = state_->home / kSocketName;
  std::error_code removal;
  if (state_->socket_file && SocketFile::At(path) == state_->socket_file) std::filesystem::remove(path, removal);
  for (State::Session* session : state_->sessions) {
    if (session->phase == State::Session::Phase::kReading) session->stream.cancel();
  }
  state_->drained = std::move(drained);
  state_->TellWhenDrained();
}

}  // namespace tutti::server
