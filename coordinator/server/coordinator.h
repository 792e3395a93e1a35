// The coordinator of a home: one thread that holds the core, the catalog, the workers' channels and the API on the
// home's Unix socket and on TCP, and a few threads for slow work on disks.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/ids.h"
#include "common/network/address.h"
#include "common/network/tls.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "coordinator/core/core.h"
#include "coordinator/server/gate.h"
#include "coordinator/server/node_keeper.h"

namespace tutti::server {

// What keeps one peer of the API from starving the others.
struct ApiLimits {
  Duration deadline = std::chrono::seconds(30);  // for a whole request to arrive, and for an answer to be taken
  uint32_t header_bytes = 16 * 1024;
  uint64_t body_bytes = 4 * 1024 * 1024;
  size_t connections = 256;                  // through each entrance: the home's socket, a TCP port
  size_t watchers = 128;                     // of those, that are told events or logs as they come
  Duration beat = std::chrono::seconds(15);  // a watcher is told at least this often that the coordinator lives
};

struct CoordinatorOptions {
  std::filesystem::path home;  // made when it is not there
  core::Settings core = {};
  // Also serves on TCP there, for those who have one of the home's tokens (access.h). Without TLS on loopback alone.
  std::optional<network::Address> listen = {};
  // Who may come in there, in place of those who have the home's tokens. Then the home does not tell where it listens.
  std::optional<Tokens> tokens = {};
  // Who it is under TLS; without it a certificate that is made at the first start and lies in the home.
  std::optional<network::Identity> identity = {};
  ApiLimits api = {};
  // Nodes of a cluster that are asked for while there is work, and given back.
  std::optional<NodeOptions> nodes = {};
  FileSystem* files = &PosixFileSystem();  // outlives the coordinator
};

// Thread-safe. After Start it works by itself until RequestStop, or until a commit fails: then it has ended, having
// told nobody what was not committed, and failure() says why. The process should end with exit code 1.
class Coordinator {
 public:
  // Takes the home's lock, starts a generation of its catalog, goes on with the ensembles that run, and serves the API.
  // Errors: kConflict when another holds the home, naming its process, or has the port; kInvalid for an address that
  // cannot be listened on, or a certificate that is none; kCorrupt, kIo, kNoSpace, kDenied.
  static Result<std::unique_ptr<Coordinator>> Start(CoordinatorOptions options);
  // Ends at once; waits for work on the disk that has begun, never for a peer.
  ~Coordinator();

  Generation generation() const;
  std::optional<network::Address> address() const;  // where it listens on TCP
  std::optional<std::string> fingerprint() const;   // of the certificate that it shows there and that signs itself
  // Hands a function to the coordinator's thread: that end's post of a local channel. Valid after the coordinator is
  // gone, when what is posted is dropped.
  protocol::Post post() const;
  // Listens to a worker at the other end of `channel`.
  void AttachWorker(std::shared_ptr<protocol::Channel> channel);

  // Every attempt is asked to checkpoint and to stop; when none is left the coordinator ends. Repeats change nothing.
  void RequestStop();
  // Waits until it has ended; false when `deadline` passed before.
  bool WaitStopped(Duration deadline);
  // Why it ended by itself.
  std::optional<Error> failure() const;

 private:
  class Impl;
  explicit Coordinator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::server
