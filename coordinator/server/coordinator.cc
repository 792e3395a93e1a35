#include "coordinator/server/coordinator.h"

#include <spdlog/spdlog.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "common/host_name.h"
#include "common/network/secret.h"
#include "coordinator/server/access.h"
#include "coordinator/server/api.h"
#include "coordinator/server/executor.h"
#include "coordinator/server/http_server.h"
#include "coordinator/server/transfers.h"
#include "storage/catalog/catalog.h"

namespace tutti::server {
namespace {

namespace asio = boost::asio;

// Reading labels and predictions, hashing checkpoints, deleting folders: a slow disk holds up two of these at a time.
constexpr size_t kDiskThreads = 2;
// What people look at is read beside it, so that `tutti show` does not wait for checkpoints of gigabytes.
constexpr size_t kReadingThreads = 1;
// What workers send and fetch that do not see the home, and files on their way to it.
constexpr size_t kCarryingThreads = 2;
// Such files are copied into ensembles, one ensemble after the other.
constexpr size_t kCopyingThreads = 1;
// A batch system is asked one thing at a time.
constexpr size_t kBatchThreads = 1;
// How long answers that are on their way may take when the coordinator ends.
constexpr auto kClosingTime = std::chrono::seconds(1);
// A deadline that has passed already is looked at again after this, so that a mistake costs no core.
constexpr auto kShortestSleep = std::chrono::milliseconds(1);

bool IsWildcard(const network::Address& address) { return address.host == "0.0.0.0" || address.host == "::"; }

protocol::Post PostTo(const std::shared_ptr<asio::io_context>& events) {
  return [weak = std::weak_ptr(events)](std::function<void()> work) {
    if (const auto alive = weak.lock()) asio::post(*alive, std::move(work));
  };
}

}  // namespace

// Members are destroyed from the last to the first: the home's lock is given back when all else is gone.
class Coordinator::Impl {
 public:
  Impl(CoordinatorOptions options, storage::HomeLock lock, storage::Catalog catalog)
      : options_(std::move(options)), lock_(std::move(lock)), catalog_(std::move(catalog)) {}
  ~Impl();

  Result<void> Begin();
  void RequestStop() {
    post_([this] { executor_->Submit(core::StopRequested{}); });
  }
  bool WaitStopped(Duration deadline);
  std::optional<Error> failure() const;
  void Attach(std::shared_ptr<protocol::Channel> channel) {
    post_([this, channel = std::move(channel)] { executor_->workers().Attach(channel); });
  }
  const protocol::Post& post() const { return post_; }
  Generation generation() const { return catalog_.generation(); }
  std::optional<network::Address> address() const {
    return whereabouts_ ? std::optional(whereabouts_->address) : std::nullopt;
  }

  std::optional<std::string> fingerprint() const { return whereabouts_ ? whereabouts_->fingerprint : std::nullopt; }

 private:
  Result<void> KeepNodes(const NodeOptions& nodes);
  Result<void> ListenOnTcp();
  Result<network::TlsContext> OwnTls() const;
  void Run();
  void WakeAt(TimePoint time);
  void BeatLater();
  void CallLater(Duration delay, std::function<void()> work);
  void End();
  void Fail(Error error);
  protocol::Post PostToPool(asio::thread_pool& pool);
  Executor::Surroundings ExecutorsSurroundings();

  const CoordinatorOptions options_;
  const storage::HomeLock lock_;
  storage::Catalog catalog_;
  const SystemClock clock_;
  const std::shared_ptr<asio::io_context> events_ = std::make_shared<asio::io_context>(1);
  const protocol::Post post_ = PostTo(events_);
  asio::steady_timer wake_{*events_};
  asio::steady_timer closing_{*events_};
  asio::steady_timer beat_{*events_};
  asio::thread_pool disk_{kDiskThreads};
  asio::thread_pool reading_{kReadingThreads};
  asio::thread_pool carrying_{kCarryingThreads};
  asio::thread_pool copying_{kCopyingThreads};
  asio::thread_pool batch_{kBatchThreads};
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<NodeKeeper> nodes_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<HttpServer> http_;
  std::optional<Whereabouts> whereabouts_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::optional<Error> failure_;
  std::thread thread_;
};

Coordinator::Impl::~Impl() {
  if (whereabouts_) RemoveWhereabouts(*options_.files, options_.home, *whereabouts_);
  events_->stop();
  if (thread_.joinable()) thread_.join();
  disk_.stop();
  reading_.stop();
  carrying_.stop();
  copying_.stop();
  batch_.stop();
  disk_.join();
  reading_.join();
  carrying_.join();
  copying_.join();
  batch_.join();
}

Executor::Surroundings Coordinator::Impl::ExecutorsSurroundings() {
  return {.events = post_,
          .disk = PostToPool(disk_),
          .wake_at = [this](TimePoint time) { WakeAt(time); },
          .failed = [this](Error error) { Fail(std::move(error)); },
          .stopped = [this] { End(); },
          .files = options_.files,
          .clock = &clock_,
          .home = options_.home};
}

Result<void> Coordinator::Impl::Begin() {
  TUTTI_ASSIGN_OR_RETURN(Records records, catalog_.Load());
  std::vector<core::Effect> outstanding;
  core::Core core =
      core::Core::Restore(options_.core, catalog_.generation(), std::move(records), clock_.Now(), outstanding);
  executor_ = std::make_unique<Executor>(ExecutorsSurroundings(), catalog_, std::move(core));
  const auto later = [this](Duration delay, std::function<void()> work) { CallLater(delay, std::move(work)); };
  transfers_ = std::make_unique<Transfers>(PostToPool(carrying_), PostToPool(copying_), post_);
  if (options_.nodes) TUTTI_RETURN_IF_ERROR(KeepNodes(*options_.nodes));
  api_ = std::make_unique<Api>(Api::Surroundings{PostToPool(reading_), post_, later, options_.api.beat, options_.files,
                                                 options_.home, transfers_.get(), nodes_.get()},
                               *executor_, catalog_);
  TUTTI_ASSIGN_OR_RETURN(http_, HttpServer::Listen(*events_, options_.home, options_.api,
                                                   [this](const HttpRequest& request, const Respond& respond) {
                                                     api_->Handle(request, respond);
                                                   }));
  http_->TakeWorkers(
      post_, [this](std::shared_ptr<protocol::Channel> channel) { executor_->workers().Attach(std::move(channel)); });
  if (options_.listen) TUTTI_RETURN_IF_ERROR(ListenOnTcp());
  TUTTI_RETURN_IF_ERROR(executor_->Begin(std::move(outstanding)));
  BeatLater();
  thread_ = std::thread([this] { Run(); });
  return {};
}

Result<void> Coordinator::Impl::KeepNodes(const NodeOptions& nodes) {
  TUTTI_ASSIGN_OR_RETURN(std::string mark, ReadOrMakeMark(*options_.files, options_.home));
  const auto later = [this](Duration delay, std::function<void()> work) { CallLater(delay, std::move(work)); };
  nodes_ = std::make_unique<NodeKeeper>(
      NodeKeeper::Surroundings{post_, PostToPool(batch_), later, options_.files, options_.home, std::move(mark),
                               [this] { return catalog_.IsNewest().value_or(false); }},
      nodes, *executor_);
  return nodes_->Begin();
}

Result<void> Coordinator::Impl::ListenOnTcp() {
  if (!options_.listen->tls && !options_.listen->IsLoopback()) {
    return tutti::Fail(
        ErrorCode::kInvalid,
        "cannot serve on {}: without TLS tokens would cross the network for all to read; leave http:// out",
        options_.listen->Text());
  }
  Tokens tokens;
  if (options_.tokens) {
    // The certificate's folder as well is made there.
    TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(IdentityIn(options_.home).certificate.parent_path()));
    tokens = *options_.tokens;
  } else {
    TUTTI_ASSIGN_OR_RETURN(tokens, ReadOrMakeTokens(*options_.files, options_.home));
  }
  TUTTI_ASSIGN_OR_RETURN(network::TlsContext tls, OwnTls());
  Whereabouts whereabouts{{}, HostName(), std::nullopt, generation().value};
  TUTTI_ASSIGN_OR_RETURN(whereabouts.address, http_->ListenOn(*options_.listen, std::move(tokens), std::move(tls)));
  // What listens everywhere is reached by its name.
  if (IsWildcard(whereabouts.address)) whereabouts.address.host = HostName();
  if (whereabouts.address.tls && !options_.identity) {
    TUTTI_ASSIGN_OR_RETURN(whereabouts.fingerprint, network::FingerprintOf(IdentityIn(options_.home).certificate));
  }
  whereabouts_ = std::move(whereabouts);
  if (options_.tokens) return {};
  return WriteWhereabouts(*options_.files, options_.home, *whereabouts_);
}

// Null without TLS.
Result<network::TlsContext> Coordinator::Impl::OwnTls() const {
  if (!options_.listen->tls) return nullptr;
  if (options_.identity) return network::ServerContext(*options_.identity);
  const network::Identity own = IdentityIn(options_.home);
  std::vector<std::string> names{HostName(), "localhost"};
  if (!IsWildcard(*options_.listen)) names.push_back(options_.listen->host);
  TUTTI_RETURN_IF_ERROR(network::MakeIdentity(own, names));
  return network::ServerContext(own);
}

void Coordinator::Impl::Run() {
  const auto guard = asio::make_work_guard(*events_);
  try {
    events_->run();
  } catch (const std::exception& error) {
    Fail(Error{ErrorCode::kInternal, fmt::format("the coordinator broke down: {}", error.what()), nullptr});
  }
  http_.reset();
  executor_->workers().CloseAll();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Coordinator::Impl::WakeAt(TimePoint time) {
  wake_.expires_after(std::max<std::chrono::milliseconds>(time - clock_.Now(), kShortestSleep));
  wake_.async_wait([this](const boost::system::error_code& error) {
    if (!error) executor_->Wake();
  });
}

protocol::Post Coordinator::Impl::PostToPool(asio::thread_pool& pool) {
  return [this, &pool](std::function<void()> work) {
    asio::post(pool, [this, work = std::move(work)] {
      try {
        work();
      } catch (const std::exception& error) {
        // Whoever waits for this work would wait for ever.
        Fail(Error{ErrorCode::kInternal, fmt::format("work on the disk broke down: {}", error.what()), nullptr});
      }
    });
  };
}

void Coordinator::Impl::BeatLater() {
  beat_.expires_after(options_.api.beat);
  beat_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    executor_->feed().Beat();
    BeatLater();
  });
}

void Coordinator::Impl::CallLater(Duration delay, std::function<void()> work) {
  const auto timer = std::make_shared<asio::steady_timer>(*events_, delay);
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

// Asked to stop, and done: says goodbye and lets the answers that are on their way arrive.
void Coordinator::Impl::End() {
  wake_.cancel();
  executor_->workers().LeaveAll();
  executor_->feed().Close();
  http_->Stop([this] { events_->stop(); });
  closing_.expires_after(kClosingTime);
  closing_.async_wait([this](const boost::system::error_code&) { events_->stop(); });
}

// Memory is ahead of the disk: nobody may hear anything more.
void Coordinator::Impl::Fail(Error error) {
  spdlog::error("the coordinator of {} ends: {}", options_.home.string(), error.Text());
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(error);
  }
  events_->stop();
}

bool Coordinator::Impl::WaitStopped(Duration deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, deadline, [this] { return ended_; });
}

std::optional<Error> Coordinator::Impl::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

Coordinator::Coordinator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Coordinator::~Coordinator() = default;

Result<std::unique_ptr<Coordinator>> Coordinator::Start(CoordinatorOptions options) {
  std::error_code error;
  options.home = std::filesystem::absolute(options.home, error).lexically_normal();
  if (error) return FailErrno(error.value(), fmt::format("cannot find the home {}", options.home.string()));
  TUTTI_RETURN_IF_ERROR(options.files->CreateDirectories(options.home));
  TUTTI_ASSIGN_OR_RETURN(storage::HomeLock lock, storage::HomeLock::Acquire(options.home));
  TUTTI_ASSIGN_OR_RETURN(storage::Catalog catalog, storage::Catalog::Open(*options.files, options.home));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(lock), std::move(catalog));
  TUTTI_RETURN_IF_ERROR(impl->Begin());
  return std::unique_ptr<Coordinator>(new Coordinator(std::move(impl)));
}

Generation Coordinator::generation() const { return impl_->generation(); }
std::optional<network::Address> Coordinator::address() const { return impl_->address(); }
std::optional<std::string> Coordinator::fingerprint() const { return impl_->fingerprint(); }
protocol::Post Coordinator::post() const { return impl_->post(); }
void Coordinator::AttachWorker(std::shared_ptr<protocol::Channel> channel) { impl_->Attach(std::move(channel)); }
void Coordinator::RequestStop() { impl_->RequestStop(); }
bool Coordinator::WaitStopped(Duration deadline) { return impl_->WaitStopped(deadline); }
std::optional<Error> Coordinator::failure() const { return impl_->failure(); }

}  // namespace tutti::server
