#include "worker/agent/agent.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "common/file_system.h"
#include "worker/agent/followed_attempts.h"
#include "worker/agent/led_attempt.h"
#include "worker/agent/runtime_folder.h"
#include "worker/launch/environment.h"
#include "worker/launch/rank_server.h"
#include "worker/transfer/courier.h"
#include "worker/transfer/sender.h"

namespace tutti::worker {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

// Ended attempts that are still known, so that a coordinator that comes back can be told again how they ended.
constexpr size_t kRememberedAttempts = 64;
constexpr auto kGoodbyeDeadline = std::chrono::seconds(1);

fs::path RunningProgram() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored);
}

Result<AgentOptions> Complete(AgentOptions options) {
  if (options.runtime_folder.empty()) options.runtime_folder = DefaultRuntimeFolder();
  if (options.launch_domain.empty()) options.launch_domain = options.id.str();
  if (options.tutti.empty()) options.tutti = RunningProgram();
  if (options.trainer.empty()) {
    TUTTI_ASSIGN_OR_RETURN(options.trainer, FindTrainer());
  }
  return options;
}

LaunchSettings SettingsOf(const AgentOptions& options, const fs::path& runtime_folder) {
  return {.worker = options.id,
          .home = options.home,
          .trainer = options.trainer,
          .tutti = options.tutti,
          .mpirun = options.mpirun,
          .launcher = options.launcher,
          .meeting_folder = options.runtime_folder,
          .runtime_folder = runtime_folder,
          .inventory = options.inventory,
          .start_deadline = options.start_deadline,
          .checkpoint_deadline = options.checkpoint_deadline,
          .kill_deadline = options.kill_deadline,
          .log_limit_bytes = options.log_limit_bytes};
}

// The wall clock's milliseconds, and newer than any that this process had, also within one millisecond.
Incarnation NewIncarnation() {
  static std::atomic<int64_t> newest{0};
  const int64_t now = SystemClock().Now().time_since_epoch().count();
  int64_t known = newest;
  int64_t next = 0;
  do {
    next = std::max(now, known + 1);
  } while (!newest.compare_exchange_weak(known, next));
  return {next};
}

protocol::Post PostTo(const std::shared_ptr<asio::io_context>& io) {
  // Weak, since what waits there may hold this function: together they would keep each other for ever.
  return [weak = std::weak_ptr(io)](std::function<void()> function) {
    if (const auto alive = weak.lock()) asio::post(*alive, std::move(function));
  };
}

}  // namespace

Result<fs::path> FindTrainer() {
  const Environment environment = CurrentEnvironment();
  if (const auto named = environment.find("TUTTI_TRAINER"); named != environment.end()) {
    return FindProgram(named->second, environment);
  }
  const Result<fs::path> beside = FindProgram(RunningProgram().parent_path() / "tutti-trainer", environment);
  if (beside) return beside;
  return FailBecause(beside.error(), "tutti-trainer is missing: install it beside tutti, or name it by TUTTI_TRAINER");
}

// Everything but Start, its queries of options and the stopped flag happens on the agent's thread.
struct Agent::Impl {
  Impl(AgentOptions given, RuntimeFolder folder)
      : options(std::move(given)),
        runtime_folder(std::move(folder)),
        settings(SettingsOf(options, runtime_folder.path())),
        io(std::make_shared<asio::io_context>()),
        keep_running(io->get_executor()),
        tick_timer(*io),
        heartbeat_timer(*io),
        incarnation(NewIncarnation()) {
    if (options.carry) BeginToCarry(*options.carry);
  }

  void BeginToCarry(const CarryOptions& carry) {
    sender = {options.id, incarnation};
    courier = std::make_unique<Courier>(carry.coordinator, carry.deadline, PostTo(io));
    carriage.emplace(
        Carriage{*courier, sender, carry.home, carry.first_backoff, carry.longest_backoff, carry.fetch_deadline});
  }

  Result<void> Listen() {
    RankServer::Handlers handlers{[this](const RankHello& hello) { return Admit(hello); },
                                  [this](const AttemptId& attempt) { HandleRanksGone(attempt); }};
    const fs::path socket = runtime_folder.path() / kRankSocket;
    TUTTI_ASSIGN_OR_RETURN(ranks, RankServer::Listen(*io, socket, std::move(handlers), options.grant_deadline));
    followed = std::make_unique<FollowedAttempts>(*ranks, settings);
    return {};
  }

  void RunThread() {
    thread = std::thread([this] { Run(); });
  }

  void Run() try { io->run(); } catch (const std::exception& error) {
    Fall(error.what());
  }

  // Nobody knows what the handler that threw has left half done: everything is ended, and the coordinator sees the
  // connection close.
  void Fall(const char* why) noexcept {
    spdlog::error("The worker {} fails: {}", options.id.str(), why);
    attempts.clear();
    followed->KillAll(Now());
    if (channel) channel->Close();
    channel.reset();
    const std::lock_guard lock(mutex);
    failure = Error{ErrorCode::kInternal, fmt::format("the worker {} has failed: {}", options.id.str(), why), nullptr};
    stopped = true;
    stopped_changed.notify_all();
  }

  template <typename Function>
  void Post(Function function) {
    asio::post(*io, std::move(function));
  }

  // ---- the conversation ----

  void Attach(std::shared_ptr<protocol::Channel> given) {
    if (channel) channel->Close();
    channel = std::move(given);
    joined = false;
    // A former channel's handlers may still be on their way.
    const protocol::Channel* current = channel.get();
    channel->OnMessage([this, current](const std::string& text) {
      if (channel.get() == current) HandleText(text);
    });
    channel->OnClose([this, current] {
      if (channel.get() == current) HandleClosed();
    });
    Tell(MakeHello());
    SendHeartbeatLater();
  }

  void KeepConnected(LinkOptions link_options) {
    CoordinatorLink::Handlers handlers;
    handlers.post = PostTo(io);
    handlers.attach = [this](std::shared_ptr<protocol::Channel> given) { Attach(std::move(given)); };
    handlers.give_up = [this](Error error) { Note(std::move(error)); };
    link = std::make_unique<CoordinatorLink>(*io, std::move(link_options), std::move(handlers));
  }

  void Note(Error error) {
    const std::lock_guard lock(mutex);
    failure = std::move(error);
  }

  protocol::Hello MakeHello() const {
    protocol::Hello hello;
    hello.worker = options.id;
    hello.incarnation = incarnation;
    hello.host = options.host;
    hello.launch_domain = options.launch_domain;
    hello.slots = options.inventory.slots;
    hello.threads_per_slot = options.inventory.threads_per_slot;
    hello.device = options.inventory.device();
    hello.slot_memory_bytes = options.inventory.slot_memory_bytes;
    hello.obeyed = obeyed;
    for (const auto& [id, attempt] : attempts) {
      // Ended ones as well: their end may not have arrived.
      hello.running.push_back({id, true, attempt->gone() ? std::vector<int>() : attempt->slots()});
    }
    for (protocol::RunningAttempt& one : followed->Running()) hello.running.push_back(std::move(one));
    return hello;
  }

  void Tell(protocol::FromWorker body) {
    if (channel) channel->Send(protocol::Encode(protocol::FromWorkerMessage{obeyed, incarnation, std::move(body)}));
  }

  void SendHeartbeatLater() {
    heartbeat_timer.expires_after(options.heartbeat);
    heartbeat_timer.async_wait([this](boost::system::error_code error) {
      if (error || !channel) return;
      Tell(protocol::Heartbeat{});
      SendHeartbeatLater();
    });
  }

  void HandleClosed() {
    spdlog::debug("The connection to the coordinator is closed");
    channel.reset();
    joined = false;
  }

  void HandleText(const std::string& text) {
    const Result<protocol::ToWorkerMessage> message = protocol::DecodeToWorker(text);
    if (!message) return spdlog::warn("Ignored a message of the coordinator: {}", message.error().Text());
    if (message->generation < obeyed) {
      return spdlog::warn("Ignored a coordinator of generation {}: generation {} has taken over",
                          message->generation.value, obeyed.value);
    }
    obeyed = message->generation;
    std::visit([this](const auto& body) { Handle(body); }, message->body);
    ReportAll();
  }

  void Handle(const protocol::Welcome&) {
    joined = true;
    if (phase == Phase::kStopping) Tell(protocol::Leaving{});
    for (const auto& [id, attempt] : attempts) attempt->Rejoin();
    followed->Rejoin();
  }

  void Handle(const protocol::Refused& refused) {
    spdlog::error("The coordinator refused this worker: {}", refused.reason);
    Note({ErrorCode::kConflict, fmt::format("the coordinator refused this worker: {}", refused.reason), nullptr});
    if (channel) channel->Close();
    HandleClosed();
  }

  // Who has rank 0 leads: the start is on its way.
  void Handle(const protocol::GrantSlots& grant) {
    if (attempts.contains(grant.attempt) || followed->Knows(grant.attempt)) return;
    if (std::ranges::find(grant.ranks, 0) != grant.ranks.end()) {
      granted[grant.attempt] = grant.slots;
      return;
    }
    const Result<void> free = CheckFree(grant.slots);
    free ? followed->Grant(grant, Now()) : followed->Refuse(grant, free.error().Text());
    ranks->Reconsider(grant.attempt);
    TickSoon();
  }

  void Handle(const protocol::StartAttempt& start) {
    if (const auto known = attempts.find(start.attempt); known != attempts.end()) return known->second->Rejoin();
    granted.erase(start.attempt);
    const Result<void> possible = CheckGang(start, options.id, options.host, options.launcher).and_then([&] {
      return CheckFree(SlotsOf(options.id, start.gang));
    });
    const AttemptSurroundings surroundings{
        *io, spawner, *ranks, PosixFileSystem(), settings, [this] { ReportSoon(); }, carriage ? &*carriage : nullptr};
    auto attempt = std::make_unique<LedAttempt>(surroundings, carriage ? carriage->home.Moved(start.task) : start.task,
                                                start.gang, start.hosts);
    possible ? attempt->Launch() : attempt->RefuseToStart(possible.error().Text());
    attempts.emplace(start.attempt, std::move(attempt));
    TickSoon();
  }

  void Handle(const protocol::StopAttempt& stop) {
    const auto known = attempts.find(stop.attempt);
    if (followed->Knows(stop.attempt)) return followed->Stop(stop, Now());
    if (known == attempts.end()) return RenounceGrant(stop.attempt);
    const bool at_once = stop.reason == protocol::StopReason::kCancelled || stop.reason == protocol::StopReason::kStale;
    at_once ? known->second->Discard(Now()) : known->second->RequestCheckpoint(Now());
    // The coordinator has no use for what it calls stale: it need not be told again.
    if (stop.reason == protocol::StopReason::kStale && known->second->told_all()) Forget(known);
  }

  void Handle(const protocol::Acknowledge& acknowledge) {
    const auto known = attempts.find(acknowledge.attempt);
    if (known != attempts.end()) known->second->Acknowledge(acknowledge.sequence);
  }

  // That coordinator ends. A worker that connects by itself is for the next one too; another ends with it.
  void Handle(const protocol::Leave&) {
    const bool last = options.serves == Serves::kOneCoordinator;
    if (link && last) link->Stop([] {});
    if (!link || last) return RequestStop();
    for (const auto& [id, attempt] : attempts) attempt->RequestCheckpoint(Now());
  }

  // Slots that were granted but for which no start came.
  void RenounceGrant(const AttemptId& id) {
    Tell(protocol::AttemptFailedToStart{id, "it was stopped before it was started"});
    const auto grant = granted.find(id);
    if (grant == granted.end()) return;
    Tell(protocol::SlotsFree{id, grant->second});
    granted.erase(grant);
  }

  // ---- attempts ----

  Result<void> CheckFree(const std::vector<int>& slots) const {
    if (phase == Phase::kStopping) return Fail(ErrorCode::kCancelled, "the worker {} is leaving", options.id.str());
    for (const int slot : slots) TUTTI_RETURN_IF_ERROR(CheckFree(slot));
    return {};
  }

  Result<void> CheckFree(int slot) const {
    if (slot < 0 || slot >= options.inventory.slots) {
      return Fail(ErrorCode::kInvalid, "the worker {} has {} slots, none is number {}", options.id.str(),
                  options.inventory.slots, slot);
    }
    const std::optional<AttemptId> holder = HolderOf(slot);
    if (!holder) return {};
    return Fail(ErrorCode::kConflict, "slot {} of the worker {} is still held by {}", slot, options.id.str(),
                holder->str());
  }

  std::optional<AttemptId> HolderOf(int slot) const {
    for (const auto& [id, attempt] : attempts) {
      const std::vector<int>& held = attempt->slots();
      if (!attempt->gone() && std::ranges::find(held, slot) != held.end()) return id;
    }
    return followed->HolderOf(slot);
  }

  Result<RankOrders> Admit(const RankHello& hello) {
    const auto known = attempts.find(hello.attempt);
    if (followed->Knows(hello.attempt)) return followed->Admit(hello);
    if (known == attempts.end()) {
      return Fail(ErrorCode::kNotFound, "the worker {} runs no {}", options.id.str(), hello.attempt.str());
    }
    return known->second->Admit(hello.rank);
  }

  void HandleRanksGone(const AttemptId& id) {
    const auto known = attempts.find(id);
    if (known != attempts.end()) known->second->HandleRanksGone();
    followed->HandleRanksGone(id);
    ReportSoon();
  }

  static LedAttempt::SteadyTime Now() { return std::chrono::steady_clock::now(); }

  void ReportSoon() {
    Post([this] { ReportAll(); });
  }

  void ReportAll() {
    if (joined) {
      const auto tell = [this](protocol::FromWorker body) { Tell(std::move(body)); };
      for (const auto& [id, attempt] : attempts) attempt->Report(tell);
      followed->Report(tell);
      ForgetOldest();
    }
    TickSoon();
    CheckStopped();
  }

  void ForgetOldest() {
    for (const auto& [id, attempt] : attempts) {
      if (attempt->told_all() && known_ended.insert(id).second) ended.push_back(id);
    }
    while (ended.size() > kRememberedAttempts) {
      const auto oldest = attempts.find(ended.front());
      if (oldest != attempts.end() && oldest->second->told_all()) Forget(oldest);
      known_ended.erase(ended.front());
      ended.pop_front();
    }
  }

  void Forget(std::map<AttemptId, std::unique_ptr<LedAttempt>>::iterator attempt) {
    const JobId job = attempt->first.job;
    attempts.erase(attempt);
    if (!carriage) return;
    const auto is_known = [&](auto is_its) { return std::ranges::any_of(attempts, is_its); };
    if (!is_known([&](const auto& entry) { return entry.first.job.ensemble == job.ensemble; })) {
      RemoveFilesOf(PosixFileSystem(), carriage->home, job.ensemble);
    } else if (!is_known([&](const auto& entry) { return entry.first.job == job; })) {
      RemoveFilesOf(PosixFileSystem(), carriage->home, job);
    }
  }

  // What an attempt has to tell can wait for another start of the worker where its files lie in the home; else they
  // have to arrive first.
  bool NeedsTicks() const {
    if (!followed->all_gone() || (joined && !followed->told_all())) return true;
    return std::any_of(attempts.begin(), attempts.end(), [this](const auto& entry) {
      return !entry.second->gone() || ((joined || carriage) && !entry.second->told_all());
    });
  }

  void TickSoon() {
    if (ticking || !NeedsTicks()) return;
    ticking = true;
    tick_timer.expires_after(options.events_poll);
    tick_timer.async_wait([this](boost::system::error_code error) {
      ticking = false;
      if (error) return;
      for (const auto& [id, attempt] : attempts) attempt->Tick(Now());
      followed->Tick(Now());
      ReportAll();
    });
  }

  // ---- the end ----

  void RequestStop() {
    BeginToLeave();
    for (const auto& [id, attempt] : attempts) attempt->RequestCheckpoint(Now());
    followed->RequestStop(Now());
    CheckStopped();
  }

  void KillAll() {
    BeginToLeave();
    for (const auto& [id, attempt] : attempts) attempt->Discard(Now());
    followed->KillAll(Now());
    TickSoon();
    CheckStopped();
  }

  // What is granted from now on would only come back.
  void BeginToLeave() {
    if (std::exchange(phase, Phase::kStopping) == Phase::kServing && joined) Tell(protocol::Leaving{});
  }

  void CheckStopped() {
    if (phase != Phase::kStopping || NeedsTicks()) return;
    const std::lock_guard lock(mutex);
    stopped = true;
    stopped_changed.notify_all();
  }

  bool WaitStopped(Duration deadline) {
    std::unique_lock lock(mutex);
    return stopped_changed.wait_for(lock, deadline, [this] { return stopped; });
  }

  // What was said last still goes out.
  void SayGoodbye() {
    if (channel) channel->Close();
    channel.reset();
    attempts.clear();
    if (!link) return io->stop();
    heartbeat_timer.expires_after(kGoodbyeDeadline);
    heartbeat_timer.async_wait([this](boost::system::error_code error) {
      if (!error) io->stop();
    });
    link->Stop([this] { io->stop(); });
  }

  void End() {
    if (!thread.joinable()) return;
    Post([this] { KillAll(); });
    if (!WaitStopped(options.kill_deadline + std::chrono::seconds(1))) {
      spdlog::warn("Trainers of the worker {} outlive its end for a moment", options.id.str());
    }
    Post([this] { SayGoodbye(); });
    thread.join();
  }

  const AgentOptions options;
  const RuntimeFolder runtime_folder;
  const LaunchSettings settings;
  const std::shared_ptr<asio::io_context> io;  // shared with whoever posts just now
  asio::executor_work_guard<asio::io_context::executor_type> keep_running;
  Spawner spawner;
  std::unique_ptr<RankServer> ranks;
  asio::steady_timer tick_timer;
  asio::steady_timer heartbeat_timer;
  bool ticking = false;

  const Incarnation incarnation;
  Sender sender;
  std::unique_ptr<Courier> courier;
  std::optional<Carriage> carriage;  // where the home is not the coordinator's
  Generation obeyed;
  std::shared_ptr<protocol::Channel> channel;
  bool joined = false;                                        // welcome on this channel
  std::unique_ptr<CoordinatorLink> link;                      // where there is one, it attaches the channels
  std::map<AttemptId, std::unique_ptr<LedAttempt>> attempts;  // that it leads
  std::unique_ptr<FollowedAttempts> followed;                 // of the others' gangs
  std::map<AttemptId, std::vector<int>> granted;              // that it is to lead
  std::deque<AttemptId> ended;                                // those of attempts that were told all, oldest first
  std::set<AttemptId> known_ended;                            // the same, to be found
  enum class Phase { kServing, kStopping } phase = Phase::kServing;

  std::mutex mutex;
  std::condition_variable stopped_changed;
  bool stopped = false;
  std::optional<Error> failure;
  std::thread thread;
};

Result<std::unique_ptr<Agent>> Agent::Start(AgentOptions options) try {
  TUTTI_ASSIGN_OR_RETURN(AgentOptions complete, Complete(std::move(options)));
  TUTTI_ASSIGN_OR_RETURN(RuntimeFolder folder,
                         RuntimeFolder::Make(complete.runtime_folder, {complete.home, complete.id}));
  auto impl = std::make_unique<Impl>(std::move(complete), std::move(folder));
  TUTTI_RETURN_IF_ERROR(impl->Listen());
  impl->RunThread();
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
} catch (const std::exception& error) {
  // Out of descriptors, threads or memory.
  return Fail(ErrorCode::kInternal, "cannot start the worker: {}", error.what());
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Agent::~Agent() { impl_->End(); }

protocol::Post Agent::post() const { return PostTo(impl_->io); }

void Agent::Attach(std::shared_ptr<protocol::Channel> channel) {
  impl_->Post([impl = impl_.get(), channel = std::move(channel)]() mutable { impl->Attach(std::move(channel)); });
}

void Agent::KeepConnected(LinkOptions options) {
  impl_->Post(
      [impl = impl_.get(), options = std::move(options)]() mutable { impl->KeepConnected(std::move(options)); });
}

void Agent::RequestStop() {
  impl_->Post([impl = impl_.get()] { impl->RequestStop(); });
}

void Agent::KillAll() {
  impl_->Post([impl = impl_.get()] { impl->KillAll(); });
}

Result<void> Agent::WaitStopped(Duration deadline) {
  if (!impl_->WaitStopped(deadline)) {
    return Fail(ErrorCode::kTimeout, "the worker {} still runs trainers", impl_->options.id.str());
  }
  if (const auto why = failure()) return tl::unexpected<Error>(*why);
  return {};
}

std::optional<Error> Agent::failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

}  // namespace tutti::worker
