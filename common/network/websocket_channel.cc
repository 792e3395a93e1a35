#include "common/network/websocket_channel.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <deque>
#include <string>
#include <utility>

#include "common/protocol/inbox.h"

namespace tutti::network {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr auto kHandshakeDeadline = std::chrono::seconds(30);
constexpr auto kIdleDeadline = std::chrono::seconds(30);

// Lives as long as one of its operations is on its way or its end is held. All but its constructor and the inbox
// happens on the socket's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(WebSocket socket, std::shared_ptr<protocol::Inbox> inbox, std::function<void()> closed)
      : socket_(std::move(socket)), inbox_(std::move(inbox)), closed_(std::move(closed)) {}

  void Start() {
    asio::dispatch(socket_.get_executor(), [self = shared_from_this()] { self->Read(); });
  }
  void Send(std::string message) {
    asio::post(socket_.get_executor(),
               [self = shared_from_this(), text = std::move(message)]() mutable { self->Enqueue(std::move(text)); });
  }
  // What was sent before still goes out.
  void Close() {
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      self->closing_ = true;
      self->WriteNext();
    });
  }

 private:
  void Read() {
    socket_.async_read(buffer_, [self = shared_from_this()](error_code error, size_t) {
      if (error) return self->Over();
      self->inbox_->Put(beast::buffers_to_string(self->buffer_.data()));
      self->buffer_.consume(self->buffer_.size());
      self->Read();
    });
  }

  void Enqueue(std::string message) {
    if (closing_) return;
    queued_bytes_ += message.size();
    queue_.push_back(std::move(message));
    if (queued_bytes_ > kLongestQueue) return Break();
    WriteNext();
  }

  void WriteNext() {
    if (writing_ || over_) return;
    if (queue_.empty()) {
      if (closing_) SayGoodbye();
      return;
    }
    writing_ = true;
    socket_.text(true);
    socket_.async_write(asio::buffer(queue_.front()), [self = shared_from_this()](error_code error, size_t) {
      self->writing_ = false;
      if (error) return self->Break();
      self->queued_bytes_ -= self->queue_.front().size();
      self->queue_.pop_front();
      self->WriteNext();
    });
  }

  void SayGoodbye() {
    writing_ = true;
    // Ends the read as well, within the handshake's deadline at the latest.
    socket_.async_close(beast::websocket::close_code::normal,
                        [self = shared_from_this()](error_code) { self->Break(); });
  }

  void Break() {
    socket_.next_layer().Close();
    Over();
  }

  void Over() {
    if (std::exchange(over_, true)) return;
    socket_.next_layer().Close();
    inbox_->End();
    if (closed_) std::exchange(closed_, nullptr)();
  }

  WebSocket socket_;
  const std::shared_ptr<protocol::Inbox> inbox_;
  std::function<void()> closed_;
  beast::flat_buffer buffer_{kLargestMessage};
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool over_ = false;
};

class WebSocketEnd : public protocol::Channel {
 public:
  WebSocketEnd(std::shared_ptr<Connection> connection, std::shared_ptr<protocol::Inbox> inbox)
      : connection_(std::move(connection)), inbox_(std::move(inbox)) {}
  ~WebSocketEnd() override {
    inbox_->DropHandlers();
    connection_->Close();
  }
  void Send(std::string message) override { connection_->Send(std::move(message)); }
  void Close() override {
    inbox_->EndAtOnce();
    connection_->Close();
  }
  void OnMessage(std::function<void(std::string)> handler) override { inbox_->SetMessageHandler(std::move(handler)); }
  void OnClose(std::function<void()> handler) override { inbox_->SetCloseHandler(std::move(handler)); }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<protocol::Inbox> inbox_;
};

}  // namespace

void SetLimits(WebSocket& socket) {
  // The stream under it has deadlines of its own, which would count against these.
  socket.next_layer().ExpiresNever();
  beast::websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = kHandshakeDeadline;
  timeout.idle_timeout = kIdleDeadline;
  timeout.keep_alive_pings = true;
  socket.set_option(timeout);
  socket.read_message_max(kLargestMessage);
}

std::shared_ptr<protocol::Channel> MakeWebSocketChannel(WebSocket socket, protocol::Post post,
                                                        std::function<void()> closed) {
  SetLimits(socket);
  auto inbox = std::make_shared<protocol::Inbox>(std::move(post));
  auto connection = std::make_shared<Connection>(std::move(socket), inbox, std::move(closed));
  connection->Start();
  return std::make_shared<WebSocketEnd>(std::move(connection), std::move(inbox));
}

}  // namespace tutti::network
