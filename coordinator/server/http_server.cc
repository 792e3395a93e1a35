#include "coordinator/server/http_server.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/version.hpp>
#include <exception>
#include <list>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "common/network/home_socket.h"
#include "common/network/peer.h"
#include "common/network/websocket_channel.h"

namespace tutti::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using LocalAcceptor = asio::local::stream_protocol::acceptor;
using Socket = asio::generic::stream_protocol::socket;
using network::Stream;
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
    case http::verb::put:
      return Method::kPut;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

Gate::Papers PapersOf(const http::request<http::string_body>& message) {
  return {View(message[http::field::authorization]), View(message[http::field::host]),
          View(message[http::field::origin])};
}

HttpRequest RequestOf(http::request<http::string_body>& message, Role role) {
  HttpRequest request = ParseTarget(MethodOf(message.method()), View(message.target()));
  request.role = role;
  request.range = std::string(View(message[http::field::range]));
  request.last_event_id = std::string(View(message["Last-Event-ID"]));
  request.idempotency_key = std::string(View(message["Idempotency-Key"]));
  request.body = std::move(message.body());
  return request;
}

template <typename Body>
http::response<Body> HeadOf(const HttpResponse& answer, unsigned version, bool keep_alive) {
  http::response<Body> message(static_cast<http::status>(answer.status), version);
  message.set(http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  return message;
}

http::response<http::string_body> MessageOf(HttpResponse answer, unsigned version, bool keep_alive) {
  auto message = HeadOf<http::string_body>(answer, version, keep_alive);
  if (answer.status == 401) message.set(http::field::www_authenticate, "Bearer");
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
  stream.ExpiresAfter(deadline);
  co_await http::async_write(stream, message, kTuple);
}

// A port that nobody accepts on any more must not go unnoticed: whoever runs the context ends.
void RethrowFromAccept(const std::exception_ptr& thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

// A close with bytes unread would throw away the answer on its way: the peer's bytes are read until it has ended.
asio::awaitable<void> Linger(Stream& stream) {
  stream.EndSending();
  stream.ExpiresAfter(kLinger);
  std::array<char, 4096> thrown_away;
  while (true) {
    const auto [error, count] = co_await stream.async_read_some(asio::buffer(thrown_away), kTuple);
    if (error) co_return;
  }
}

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, std::filesystem::path folder, const ApiLimits& bounds, HttpHandler handle)
      : events(context), home_acceptor(context), home(std::move(folder)), limits(bounds), handler(std::move(handle)) {}

  class Session;

  // A TCP socket that is listened on. It stays where it is as long as the server.
  struct Entrance {
    tcp::acceptor acceptor;
    Gate gate;
    network::TlsContext tls;
  };

  Result<void> Open();
  template <typename Acceptor>
  asio::awaitable<void> Accept(Acceptor& acceptor, const Entrance* entrance);
  asio::awaitable<void> Serve(Socket socket, const Entrance* entrance);
  asio::awaitable<void> TurnAway(Socket socket, const Entrance* entrance);
  asio::awaitable<bool> ShakeHands(Session& session);
  asio::awaitable<HttpResponse> Ask(HttpRequest request);
  static tl::expected<Role, HttpResponse> RoleIn(const Session& session, const Parser& parser);
  asio::awaitable<bool> AnswerOne(Session& session, beast::flat_buffer& buffer);
  asio::awaitable<bool> Answer(Session& session, HttpResponse answer, unsigned version, bool keep_alive);
  asio::awaitable<void> SendStream(Session& session, const HttpResponse& answer, unsigned version);
  asio::awaitable<std::string> NextPiece(BodyStream& stream);
  asio::awaitable<void> TakeWorker(Session& session, const http::request<http::string_body>& message);
  // Strangers at one entrance do not keep others from coming in at another.
  size_t SessionsThrough(const Entrance* entrance) const;
  size_t StreamsThrough(const Entrance* entrance) const;
  void TellWhenDrained();

  asio::io_context& events;
  LocalAcceptor home_acceptor;
  std::list<Entrance> entrances;
  const std::filesystem::path home;
  const ApiLimits limits;
  const HttpHandler handler;
  std::optional<SocketFile> socket_file;
  std::set<Session*> sessions;
  protocol::Post workers_post;
  WorkerHandler worker_handler;
  bool stopping = false;
  std::function<void()> drained;
};

// A connection. Its server knows it as long as it lives, however the coroutine ends that holds it: one that waits for
// an answer which nobody gives is unwound.
class HttpServer::State::Session {
 public:
  enum class Phase { kReading, kAnswering, kStreaming };

  Session(State& server, Socket socket, Phase first, const Entrance* entrance_used)
      : stream(std::move(socket), entrance_used != nullptr ? entrance_used->tls : nullptr),
        phase(first),
        entrance(entrance_used),
        server_(server) {
    server_.sessions.insert(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    server_.sessions.erase(this);
    server_.TellWhenDrained();
  }

  // Its stream becomes something else's; the server closes it no more.
  Stream Release() {
    server_.sessions.erase(this);
    return std::move(stream);
  }

  Stream stream;
  Phase phase;
  const Entrance* const entrance;  // what it came through; null: the home's own socket

 private:
  State& server_;
};

Result<void> HttpServer::State::Open() {
  const std::filesystem::path path = home / network::kSocketName;
  std::error_code removal;
  std::filesystem::remove(path, removal);
  if (removal) return FailErrno(removal.value(), fmt::format("cannot replace the stale socket {}", path.string()));
  TUTTI_ASSIGN_OR_RETURN(const auto address, network::HomeSocketAddress::In(home));
  error_code error;
  home_acceptor.open(asio::local::stream_protocol(), error);
  // A socket's own mode is that of its file from the moment when it is bound: there is none when others may connect.
  if (!error && ::fchmod(home_acceptor.native_handle(), 0600) != 0)
    error.assign(errno, boost::system::system_category());
  if (!error) home_acceptor.bind(asio::local::stream_protocol::endpoint(address.path()), error);
  if (!error) home_acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return FailErrno(error.value(), fmt::format("cannot listen on {}", path.string()));
  socket_file = SocketFile::At(path);
  return {};
}

template <typename Acceptor>
asio::awaitable<void> HttpServer::State::Accept(Acceptor& acceptor, const Entrance* entrance) {
  const auto self = shared_from_this();
  asio::steady_timer pause(events);
  while (!stopping) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (stopping || error == asio::error::operation_aborted) co_return;
    if (error) {
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kTuple);
    } else if (SessionsThrough(entrance) < limits.connections) {
      asio::co_spawn(events, Serve(std::move(socket), entrance), asio::detached);
    } else if (SessionsThrough(entrance) < 2 * limits.connections) {
      asio::co_spawn(events, TurnAway(std::move(socket), entrance), asio::detached);
    }
  }
}

asio::awaitable<void> HttpServer::State::TurnAway(Socket socket, const Entrance* entrance) {
  const auto self = shared_from_this();
  Session session(*this, std::move(socket), Session::Phase::kAnswering, entrance);
  if (session.stream.secure()) co_return;  // a handshake costs more than being told is worth
  const Error busy{ErrorCode::kUnreachable,
                   fmt::format("{} connections are open already: close some or try again", limits.connections),
                   nullptr};
  co_await WriteAnswer(session.stream, ProblemResponse(busy), 11, false, kLinger);
  co_await Linger(session.stream);
}

asio::awaitable<void> HttpServer::State::Serve(Socket socket, const Entrance* entrance) {
  const auto self = shared_from_this();
  Session session(*this, std::move(socket), Session::Phase::kReading, entrance);
  beast::flat_buffer buffer;
  bool more = co_await ShakeHands(session);
  while (more) more = co_await AnswerOne(session, buffer);
}

asio::awaitable<bool> HttpServer::State::ShakeHands(Session& session) {
  if (!session.stream.secure()) co_return true;
  session.stream.ExpiresAfter(limits.deadline);
  const auto [error] = co_await session.stream.AsyncHandshake(asio::ssl::stream_base::server, kTuple);
  co_return !error;
}

size_t HttpServer::State::SessionsThrough(const Entrance* entrance) const {
  return static_cast<size_t>(std::ranges::count(sessions, entrance, [](const Session* one) { return one->entrance; }));
}

size_t HttpServer::State::StreamsThrough(const Entrance* entrance) const {
  return static_cast<size_t>(std::ranges::count_if(sessions, [&](const Session* one) {
    return one->entrance == entrance && one->phase == Session::Phase::kStreaming;
  }));
}

tl::expected<Role, HttpResponse> HttpServer::State::RoleIn(const Session& session, const Parser& parser) {
  if (session.entrance == nullptr) return Role::kOperator;
  return session.entrance->gate.Admit(PapersOf(parser.get()));
}

// Reads one request and answers it. False when the connection is to be closed.
asio::awaitable<bool> HttpServer::State::AnswerOne(Session& session, beast::flat_buffer& buffer) {
  Parser parser;
  parser.header_limit(limits.header_bytes);
  parser.body_limit(limits.body_bytes);
  session.phase = Session::Phase::kReading;
  session.stream.ExpiresAfter(limits.deadline);
  auto [error, count] = co_await http::async_read_header(session.stream, buffer, parser, kTuple);
  // Strangers are not listened to any longer than it takes to tell that they are.
  const auto role = RoleIn(session, parser);
  if (!error && !role) {
    session.phase = Session::Phase::kAnswering;
    co_await WriteAnswer(session.stream, role.error(), parser.get().version(), false, limits.deadline);
    co_await Linger(session.stream);
    co_return false;
  }
  if (!error) std::tie(error, count) = co_await http::async_read(session.stream, buffer, parser, kTuple);
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
  const bool keep_alive = message.keep_alive();
  if (worker_handler && *role == Role::kOperator && View(message.target()) == network::kWorkerRoute &&
      beast::websocket::is_upgrade(message)) {
    co_await TakeWorker(session, message);
    co_return false;
  }
  session.stream.ExpiresNever();
  HttpResponse answer = co_await Ask(RequestOf(message, *role));
  co_return co_await Answer(session, std::move(answer), version, keep_alive);
}

asio::awaitable<bool> HttpServer::State::Answer(Session& session, HttpResponse answer, unsigned version,
                                                bool keep_alive) {
  if (answer.stream && StreamsThrough(session.entrance) >= limits.watchers) {
    answer = ProblemResponse(
        Error{ErrorCode::kUnreachable,
              fmt::format("{} watchers are there already: close some or try again", limits.watchers), nullptr});
  }
  if (answer.stream) {
    session.phase = Session::Phase::kStreaming;
    co_await SendStream(session, answer, version);
    co_return false;
  }
  const bool more = keep_alive && !stopping;
  co_await WriteAnswer(session.stream, std::move(answer), version, more, limits.deadline);
  co_return more;
}

// A peer that takes nothing for as long as an answer may take is let go; what it would have been told next is not kept
// for it.
asio::awaitable<void> HttpServer::State::SendStream(Session& session, const HttpResponse& answer, unsigned version) {
  const bool chunked = version >= 11;
  auto head = HeadOf<http::empty_body>(answer, version, false);
  head.chunked(chunked);
  http::response_serializer<http::empty_body> serializer(head);
  session.stream.ExpiresAfter(limits.deadline);
  auto [error, count] = co_await http::async_write_header(session.stream, serializer, kTuple);
  while (!error) {
    session.stream.ExpiresNever();
    const std::string piece = co_await NextPiece(*answer.stream);
    session.stream.ExpiresAfter(limits.deadline);
    if (piece.empty()) break;
    if (chunked) {
      std::tie(error, count) =
          co_await asio::async_write(session.stream, http::make_chunk(asio::buffer(piece)), kTuple);
    } else {
      std::tie(error, count) = co_await asio::async_write(session.stream, asio::buffer(piece), kTuple);
    }
  }
  if (!error && chunked) co_await asio::async_write(session.stream, http::make_chunk_last(), kTuple);
}

asio::awaitable<std::string> HttpServer::State::NextPiece(BodyStream& stream) {
  const auto start = [this, &stream](auto completion) {
    auto shared = std::make_shared<decltype(completion)>(std::move(completion));
    stream.Next([this, shared](std::string piece) {
      asio::post(events, [shared, text = std::move(piece)]() mutable { std::move (*shared)(std::move(text)); });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::string)>(start, asio::use_awaitable);
}

// The connection becomes the worker's channel, and is no session of requests any more.
asio::awaitable<void> HttpServer::State::TakeWorker(Session& session, const http::request<http::string_body>& message) {
  network::WebSocket socket(session.Release());
  network::SetLimits(socket);
  const auto [error] = co_await socket.async_accept(message, kTuple);
  if (error || stopping) co_return;
  worker_handler(network::MakeWebSocketChannel(std::move(socket), workers_post));
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
  asio::co_spawn(events, state->Accept(state->home_acceptor, nullptr), RethrowFromAccept);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

Result<network::Address> HttpServer::ListenOn(const network::Address& address, Tokens tokens, network::TlsContext tls) {
  error_code error;
  tcp::resolver resolver(state_->events);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Fail(ErrorCode::kInvalid, "cannot listen on {}: {}", address.Text(), error.message());
  }
  tcp::acceptor acceptor(state_->events);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return Fail(ErrorCode::kConflict, "another program listens on {}; port 0 takes one that is free", address.Text());
  }
  if (error) return FailErrno(error.value(), fmt::format("cannot listen on {}", address.Text()));
  network::Address listening = address;
  listening.port = acceptor.local_endpoint().port();
  auto& entrance = state_->entrances.emplace_back(
      State::Entrance{std::move(acceptor), Gate(std::move(tokens), listening), std::move(tls)});
  asio::co_spawn(state_->events, state_->Accept(entrance.acceptor, &entrance), RethrowFromAccept);
  return listening;
}

void HttpServer::TakeWorkers(protocol::Post post, WorkerHandler handler) {
  state_->workers_post = std::move(post);
  state_->worker_handler = std::move(handler);
}

HttpServer::~HttpServer() {
  Stop({});
  state_->drained = nullptr;  // whoever waited for it may be gone when the last connection is unwound
  for (State::Session* session : state_->sessions) session->stream.Close();
}

void HttpServer::Stop(std::function<void()> drained) {
  if (std::exchange(state_->stopping, true)) return;
  error_code ignored;
  state_->home_acceptor.close(ignored);
  for (State::Entrance& entrance : state_->entrances) entrance.acceptor.close(ignored);
  // One that has taken over the home listens under the same name.
  const std::filesystem::path path = state_->home / network::kSocketName;
  std::error_code removal;
  if (state_->socket_file && SocketFile::At(path) == state_->socket_file) std::filesystem::remove(path, removal);
  for (State::Session* session : state_->sessions) {
    if (session->phase == State::Session::Phase::kReading) session->stream.Cancel();
  }
  state_->drained = std::move(drained);
  state_->TellWhenDrained();
}

}  // namespace tutti::server
