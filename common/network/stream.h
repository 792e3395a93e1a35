// A connection over a Unix or TCP socket, plain or under TLS, with a deadline for what is on its way: what Beast reads
// requests and WebSocket frames from.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace tutti::network {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using Plain = boost::beast::basic_stream<boost::asio::generic::stream_protocol>;
  using Secure = boost::asio::ssl::stream<Plain&>;
  using executor_type = Plain::executor_type;

  // Without a context it is plain; under TLS once a handshake was done.
  Stream(Socket socket, TlsContext context) : plain_(std::make_unique<Plain>(std::move(socket))) {
    Protect(std::move(context));
  }
  Stream(boost::asio::io_context& io, TlsContext context) : plain_(std::make_unique<Plain>(io)) {
    Protect(std::move(context));
  }

  executor_type get_executor() { return plain_->get_executor(); }
  // Of whatever is on its way and comes next; passed, it ends with beast::error::timeout.
  void ExpiresAfter(std::chrono::nanoseconds time) { plain_->expires_after(time); }
  void ExpiresNever() { plain_->expires_never(); }
  void Cancel() { plain_->cancel(); }
  void Close() { plain_->close(); }
  // What is on its way to the peer still goes out.
  void EndSending();
  Plain& plain() { return *plain_; }
  bool secure() const { return secure_ != nullptr; }

  template <typename Token>
  auto AsyncConnect(const boost::asio::generic::stream_protocol::endpoint& endpoint, Token&& token) {
    return plain_->async_connect(endpoint, std::forward<Token>(token));
  }
  // Only where secure().
  template <typename Token>
  auto AsyncHandshake(boost::asio::ssl::stream_base::handshake_type side, Token&& token) {
    return secure_->async_handshake(side, std::forward<Token>(token));
  }
  // Names the peer to a server that has several certificates, and to what checks the one that comes.
  void ExpectPeer(const std::string& host);

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (secure_) return secure_->async_read_some(buffers, std::forward<Token>(token));
    return plain_->async_read_some(buffers, std::forward<Token>(token));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (secure_) return secure_->async_write_some(buffers, std::forward<Token>(token));
    return plain_->async_write_some(buffers, std::forward<Token>(token));
  }

  // How Beast ends a WebSocket.
  friend void beast_close_socket(Stream& stream) { stream.Close(); }
  friend void teardown(boost::beast::role_type role, Stream& stream, boost::system::error_code& error) {
    using boost::beast::websocket::teardown;
    teardown(role, stream.plain_->socket(), error);
  }
  template <typename Handler>
  friend void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
    using boost::beast::websocket::async_teardown;
    async_teardown(role, stream.plain_->socket(), std::forward<Handler>(handler));
  }

 private:
  void Protect(TlsContext context);

  // Each where it was when an operation began, wherever this object is moved meanwhile.
  std::unique_ptr<Plain> plain_;
  TlsContext context_;
  std::unique_ptr<Secure> secure_;
};

}  // namespace tutti::network
