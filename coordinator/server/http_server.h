// HTTP/1.1 on a home's Unix socket and, where it is asked to, on TCP; WebSockets of workers.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "common/network/address.h"
#include "common/network/stream.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "coordinator/server/coordinator.h"
#include "coordinator/server/gate.h"
#include "coordinator/server/http.h"

namespace boost::asio {
class io_context;
}

namespace tutti::server {

// All on the thread that runs `events`.
class HttpServer {
 public:
  // Listens on HOME/coordinator.sock, which only its user may open. A socket that is there is stale: the caller holds
  // the home's lock. Errors: kIo, kDenied, kNoSpace.
  static Result<std::unique_ptr<HttpServer>> Listen(boost::asio::io_context& events, const std::filesystem::path& home,
                                                    const ApiLimits& limits, HttpHandler handler);
  // Listens on TCP as well, under TLS where there is a context, for those whom a gate with these tokens lets in. Port 0
  // takes one that is free; where it listens is returned. Errors: kInvalid for a host that this machine does not have,
  // kConflict when the port is taken, kDenied, kIo.
  Result<network::Address> ListenOn(const network::Address& address, Tokens tokens, network::TlsContext tls);
  // Takes the workers that come: operators who ask for network::kWorkerRoute with a WebSocket's handshake. Their
  // handlers run through `post`. Without it they are told that there is no such thing.
  using WorkerHandler = std::function<void(std::shared_ptr<protocol::Channel>)>;
  void TakeWorkers(protocol::Post post, WorkerHandler handler);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // closes the socket and every connection

  // No new connections; those that wait for a request are closed, those that are being answered once they were.
  // `drained` is called when none is left, perhaps at once.
  void Stop(std::function<void()> drained);

 private:
  struct State;
  explicit HttpServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tutti::server
