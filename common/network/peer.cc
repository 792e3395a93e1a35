#include "common/network/peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <tuple>

#include "common/network/home_socket.h"
#include "common/network/tls.h"

namespace tutti::network {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

tl::unexpected<Error> Nobody(const Remote& remote, const error_code& error) {
  const bool late = error == boost::beast::error::timeout;
  return Fail(late ? ErrorCode::kTimeout : ErrorCode::kUnreachable, "no coordinator answers at {}: {}",
              remote.address.Text(), late ? "it took too long" : error.message());
}

tl::unexpected<Error> HandshakeFailed(const Remote& remote, const error_code& error) {
  const bool of_tls = error.category() == asio::error::get_ssl_category();
  const int reason = of_tls ? ERR_GET_REASON(static_cast<unsigned long>(error.value())) : 0;
  if (reason == SSL_R_WRONG_VERSION_NUMBER) {
    return Fail(ErrorCode::kUnreachable,
                "what answers at {} does not speak TLS: where a coordinator was told not to, its address is http://{}",
                remote.address.Text(), remote.address.Authority());
  }
  if (reason != SSL_R_CERTIFICATE_VERIFY_FAILED) return Nobody(remote, error);
  if (remote.fingerprint) {
    return Fail(
        ErrorCode::kDenied,
        "what answers at {} does not show the certificate of this fingerprint: was the coordinator set up anew, or "
        "is something between?",
        remote.address.Text());
  }
  return Fail(ErrorCode::kDenied,
              "what answers at {} shows no certificate that this machine trusts: --fingerprint names the one to trust",
              remote.address.Text());
}

Result<TlsContext> ContextFor(const Remote& remote) {
  if (!remote.address.tls) return nullptr;
  return ClientContext(remote.fingerprint, remote.address.host);
}

// Whether the peer of a Unix socket runs as this process's user, or as root.
bool IsOwn(Stream& stream) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(stream.plain().socket().native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

asio::awaitable<Result<Stream>> ConnectToHome(asio::io_context& io, const std::filesystem::path& home,
                                              Duration deadline) {
  const auto nobody = [&] {
    return Fail(ErrorCode::kUnreachable,
                "no coordinator serves {}; `tutti coordinator` does until it is stopped, `tutti run` while it trains",
                home.string());
  };
  // Kept until the connection is there: the name may lead through it.
  const auto address = HomeSocketAddress::In(home);
  if (!address) co_return nobody();
  Stream stream(io, nullptr);
  stream.ExpiresAfter(deadline);
  const auto [error] = co_await stream.AsyncConnect(asio::local::stream_protocol::endpoint(address->path()), kTuple);
  if (error == asio::error::access_denied) {
    co_return Fail(ErrorCode::kDenied, "the coordinator of {} belongs to another user", home.string());
  }
  if (error) co_return nobody();
  if (!IsOwn(stream)) {
    co_return Fail(ErrorCode::kDenied, "what serves {} is another user's process", home.string());
  }
  stream.ExpiresNever();
  co_return std::move(stream);
}

asio::awaitable<Result<Stream>> ConnectOverTcp(asio::io_context& io, const Remote& remote, Duration deadline) {
  const auto context = ContextFor(remote);
  if (!context) co_return tl::unexpected<Error>(context.error());
  tcp::resolver resolver(io);
  const auto [unknown, found] =
      co_await resolver.async_resolve(remote.address.host, std::to_string(remote.address.port), kTuple);
  if (unknown) co_return Nobody(remote, unknown);
  error_code error = asio::error::host_not_found;
  for (const auto& entry : found) {
    Stream stream(io, *context);
    stream.ExpiresAfter(deadline);
    std::tie(error) = co_await stream.AsyncConnect(entry.endpoint(), kTuple);
    if (error) continue;
    error_code ignored;
    stream.plain().socket().set_option(tcp::no_delay(true), ignored);
    if (stream.secure()) {
      stream.ExpectPeer(remote.address.host);
      std::tie(error) = co_await stream.AsyncHandshake(asio::ssl::stream_base::client, kTuple);
      if (error) co_return HandshakeFailed(remote, error);
    }
    stream.ExpiresNever();
    co_return std::move(stream);
  }
  co_return Nobody(remote, error);
}

}  // namespace

std::string NameOf(const Peer& peer) {
  if (const auto* home = std::get_if<std::filesystem::path>(&peer)) {
    return fmt::format("the coordinator of {}", home->string());
  }
  return fmt::format("the coordinator at {}", std::get<Remote>(peer).address.Text());
}

std::string AuthorityOf(const Peer& peer) {
  const auto* remote = std::get_if<Remote>(&peer);
  return remote != nullptr ? remote->address.Authority() : "localhost";
}

std::string TokenOf(const Peer& peer) {
  const auto* remote = std::get_if<Remote>(&peer);
  return remote != nullptr ? remote->token : "";
}

asio::awaitable<Result<Stream>> Connect(asio::io_context& io, const Peer& peer, Duration deadline) {
  if (const auto* remote = std::get_if<Remote>(&peer)) co_return co_await ConnectOverTcp(io, *remote, deadline);
  co_return co_await ConnectToHome(io, std::get<std::filesystem::path>(peer), deadline);
}

}  // namespace tutti::network
