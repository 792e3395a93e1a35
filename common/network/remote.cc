#include "common/network/remote.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <tuple>

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
  const bool distrusted = error.category() == asio::error::get_ssl_category() &&
                          ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  if (!distrusted) return Nobody(remote, error);
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

}  // namespace

asio::awaitable<Result<Stream>> Connect(asio::io_context& io, const Remote& remote, Duration deadline) {
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

}  // namespace tutti::network
