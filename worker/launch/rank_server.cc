#include "worker/launch/rank_server.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <csignal>
#include <optional>
#include <vector>

#include "worker/launch/process.h"

namespace tutti::worker {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using ErrorCodeOfAsio = boost::system::error_code;

constexpr auto kHelloDeadline = std::chrono::seconds(10);  // a rank says hello at once

std::optional<ucred> CredentialsOf(Socket& socket) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return credentials;
}

}  // namespace

struct RankServer::State : std::enable_shared_from_this<State> {
  struct Session {
    Session(Socket accepted, asio::io_context& context) : socket(std::move(accepted)), deadline(context) {}
    Socket socket;
    asio::steady_timer deadline;     // for its hello, then for the grant that it waits for
    std::optional<RankHello> hello;  // while that is unanswered
    OwnedDescriptor process;
    std::optional<RankStarted> started;
    std::string incoming;
    std::string outgoing;
    std::optional<AttemptId> attempt;
  };
  using SessionPointer = std::shared_ptr<Session>;

  State(asio::io_context& io, Handlers given, Duration for_grants)
      : context(io), acceptor(io), handlers(std::move(given)), patience(for_grants) {}

  void Accept() {
    acceptor.async_accept([self = shared_from_this()](ErrorCodeOfAsio error, Socket socket) {
      if (self->closed) return;
      if (error) return self->AcceptLater();
      self->Welcome(std::move(socket));
      self->Accept();
    });
  }

  // What is short now (descriptors, memory) is short in a moment, too: at once would be an endless loop.
  void AcceptLater() {
    auto timer = std::make_shared<asio::steady_timer>(context, std::chrono::seconds(1));
    timer->async_wait([self = shared_from_this(), timer](ErrorCodeOfAsio) {
      if (!self->closed) self->Accept();
    });
  }

  void Welcome(Socket socket) {
    const std::optional<ucred> peer = CredentialsOf(socket);
    if (!peer || peer->uid != ::geteuid()) return;
    auto session = std::make_shared<Session>(std::move(socket), context);
    session->process = OpenProcess(peer->pid);
    sessions.push_back(session);
    session->deadline.expires_after(kHelloDeadline);
    session->deadline.async_wait([self = shared_from_this(), session](ErrorCodeOfAsio error) {
      if (!error && !session->hello && !session->attempt) self->Forget(session);
    });
    asio::async_read_until(session->socket, asio::dynamic_buffer(session->incoming, kLongestRankMessage), '\n',
                           [self = shared_from_this(), session](ErrorCodeOfAsio error, size_t length) {
                             if (self->closed) return;
                             if (error) return self->Forget(session);
                             self->Answer(session, session->incoming.substr(0, length - 1));
                           });
  }

  void Answer(const SessionPointer& session, const std::string& line) {
    session->deadline.cancel();
    Result<RankHello> hello = DecodeRankHello(line);
    if (!hello) return Reply(session, tl::unexpected(std::move(hello.error())));
    session->hello = std::move(*hello);
    Consider(session);
  }

  void Consider(const SessionPointer& session) {
    Result<RankOrders> orders = handlers.on_hello(*session->hello);
    if (orders || orders.error().code != ErrorCode::kNotFound) return Reply(session, std::move(orders));
    session->deadline.expires_after(patience);
    session->deadline.async_wait([self = shared_from_this(), session](ErrorCodeOfAsio error) {
      if (error || self->closed || !session->hello) return;
      self->Reply(session, self->handlers.on_hello(*session->hello));
    });
  }

  void Reconsider(const AttemptId& attempt) {
    const std::vector<SessionPointer> all = sessions;
    for (const SessionPointer& session : all) {
      if (session->hello && session->hello->attempt == attempt) Consider(session);
    }
  }

  void Reply(const SessionPointer& session, const Result<RankOrders>& orders) {
    session->deadline.cancel();
    if (orders) session->attempt = session->hello->attempt;
    session->hello.reset();
    session->outgoing = (orders ? Encode(*orders) : EncodeRefusal(orders.error().Text())) + "\n";
    if (!orders) spdlog::warn("Refused a rank: {}", orders.error().Text());
    asio::async_write(
        session->socket, asio::buffer(session->outgoing),
        [self = shared_from_this(), session, accepted = orders.has_value()](ErrorCodeOfAsio error, size_t) {
          if (self->closed) return;
          if (error || !accepted) return self->Forget(session);
          self->WaitForStart(session);
        });
  }

  void WaitForStart(const SessionPointer& session) {
    session->incoming.clear();
    asio::async_read_until(session->socket, asio::dynamic_buffer(session->incoming, kLongestRankMessage), '\n',
                           [self = shared_from_this(), session](ErrorCodeOfAsio error, size_t length) {
                             if (self->closed) return;
                             if (error) return self->Forget(session);
                             const auto started = DecodeRankStarted(session->incoming.substr(0, length - 1));
                             if (started) session->started = *started;
                             self->WaitForEnd(session);
                           });
  }

  void WaitForEnd(const SessionPointer& session) {
    session->incoming.resize(64);
    session->socket.async_read_some(asio::buffer(session->incoming),
                                    [self = shared_from_this(), session](ErrorCodeOfAsio error, size_t) {
                                      if (self->closed) return;
                                      error ? self->Forget(session) : self->WaitForEnd(session);
                                    });
  }

  void Forget(const SessionPointer& session) {
    if (std::erase(sessions, session) == 0) return;
    ErrorCodeOfAsio ignored;
    session->socket.close(ignored);
    session->deadline.cancel();
    if (session->attempt && Count(*session->attempt) == 0) handlers.on_gone(*session->attempt);
  }

  int Count(const AttemptId& attempt) const {
    return static_cast<int>(std::count_if(sessions.begin(), sessions.end(),
                                          [&](const auto& session) { return session->attempt == attempt; }));
  }

  void Close() {
    closed = true;
    ErrorCodeOfAsio ignored;
    acceptor.close(ignored);
    for (const SessionPointer& session : sessions) {
      session->socket.close(ignored);
      session->deadline.cancel();
    }
    sessions.clear();
  }

  asio::io_context& context;
  asio::local::stream_protocol::acceptor acceptor;
  Handlers handlers;
  const Duration patience;
  std::vector<SessionPointer> sessions;
  bool closed = false;
};

Result<std::unique_ptr<RankServer>> RankServer::Listen(asio::io_context& context, const std::filesystem::path& socket,
                                                       Handlers handlers, Duration patience) {
  if (socket.string().size() >= sizeof(sockaddr_un::sun_path)) {
    return Fail(ErrorCode::kInvalid, "the path {} is too long for a socket: choose a shorter runtime folder",
                socket.string());
  }
  auto state = std::make_shared<State>(context, std::move(handlers), patience);
  try {
    const asio::local::stream_protocol::endpoint endpoint(socket.string());
    state->acceptor.open(endpoint.protocol());
    state->acceptor.bind(endpoint);
    state->acceptor.listen();
  } catch (const boost::system::system_error& error) {
    return FailErrno(error.code().value(), fmt::format("cannot listen on {}", socket.string()));
  }
  state->Accept();
  return std::unique_ptr<RankServer>(new RankServer(std::move(state)));
}

RankServer::RankServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

RankServer::~RankServer() { state_->Close(); }

void RankServer::Reconsider(const AttemptId& attempt) { state_->Reconsider(attempt); }

int RankServer::Connected(const AttemptId& attempt) const { return state_->Count(attempt); }

void RankServer::Fence(const AttemptId& attempt) {
  for (const State::SessionPointer& session : state_->sessions) {
    // Our end still reads: what the rank started has ended when its end is closed.
    ErrorCodeOfAsio ignored;
    if (session->attempt == attempt) session->socket.shutdown(Socket::shutdown_send, ignored);
  }
}

void RankServer::Kill(const AttemptId& attempt) {
  for (const State::SessionPointer& session : state_->sessions) {
    if (session->attempt != attempt) continue;
    SignalProcess(session->process, SIGKILL);
    // While someone of this group holds the lifeline, the group's number is not given to another.
    if (session->started) ::kill(-session->started->group, SIGKILL);
  }
}

}  // namespace tutti::worker
