#include "cli/ranks/crew.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <set>
#include <thread>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/lending.h"
#include "cli/ranks/meeting.h"
#include "cli/ranks/messages.h"
#include "cli/ranks/prospects.h"
#include "cli/signals.h"
#include "common/host_name.h"
#include "common/network/interfaces.h"
#include "common/network/secret.h"
#include "worker/agent/launch_domain.h"
#include "worker/agent/runtime_folder.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(100);
// The coordinator listens before anybody is invited; its network may need a moment.
constexpr Duration kFindDeadline = std::chrono::seconds(60);
constexpr Duration kAnswerDeadline = std::chrono::seconds(5);
// As long as a coordinator waits for a worker whose connection broke. A rank 0 that has died does not come back.
constexpr Duration kLongestAbsence = std::chrono::seconds(10);
// Launchers pass a signal on to all ranks. Rank 0, which gets it too, has everything stop in order, which takes its
// trainers a minute at most.
constexpr Duration kRankZeroStops = std::chrono::seconds(90);

// ---- what all ranks do ----

// As launchers know it: Slurm may call a node otherwise than it does itself.
std::string OwnHost() {
  const char* node = std::getenv("SLURMD_NODENAME");
  return node != nullptr && *node != '\0' ? node : HostName();
}

// The same on all ranks.
struct Met {
  std::vector<Arrival> arrivals;
  std::vector<Offer> offers;

  std::set<std::string> hosts() const {
    std::set<std::string> hosts;
    for (const Offer& offer : offers) hosts.insert(offer.host);
    return hosts;
  }
};

// What this one has to lend.
struct Own {
  Result<worker::Inventory> inventory;
  int number_on_host = 0;  // among the ranks there
};

template <typename Message>
Result<std::vector<Message>> Exchange(Meeting& meeting, const Message& own,
                                      Result<Message> (*decode)(std::string_view)) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<std::string> texts, meeting.Exchange(Encode(own)));
  std::vector<Message> messages;
  for (const std::string& text : texts) {
    TUTTI_ASSIGN_OR_RETURN(Message message, decode(text));
    messages.push_back(std::move(message));
  }
  return messages;
}

Arrival OwnArrival(const Result<worker::Machine>& machine) {
  return {OwnHost(), worker::MachineKey(), worker::NetworkKey(),
          machine ? worker::PartOf(*machine) : worker::MachinePart()};
}

// Trainers inherit it, also where a worker has one slot, which is bound to nothing itself.
void KeepTo(const worker::MachineShare& share) {
  if (share.users_of_cpus > 1 || share.cpus.empty()) return;
  const int most = share.cpus.back() + 1;
  cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(most));
  const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(most));
  CPU_ZERO_S(bytes, set);
  for (const int cpu : share.cpus) CPU_SET_S(static_cast<size_t>(cpu), bytes, set);
  // Where the kernel forbids it, the machine is shared as it would be without.
  (void)::sched_setaffinity(0, bytes, set);
  CPU_FREE(set);
}

worker::InventoryOptions InventoryOf(const SlotOptions& options) {
  return {options.slots, options.threads_per_slot, options.slots_per_gpu};
}

// This rank's part of what it shares with the others of its machine.
Result<worker::Inventory> TakeShare(worker::Machine machine, const std::vector<Arrival>& arrivals, int rank,
                                    const SlotOptions& options) {
  const Arrival& own = arrivals[static_cast<size_t>(rank)];
  std::vector<worker::MachinePart> given;
  size_t place = 0;
  for (size_t other = 0; other < arrivals.size(); ++other) {
    if (arrivals[other].machine != own.machine) continue;
    if (other == static_cast<size_t>(rank)) place = given.size();
    given.push_back(arrivals[other].part);
  }
  const worker::MachineShare share = worker::ShareOut(given)[place];
  const int processes = static_cast<int>(given.size());
  if (share.gpus.empty() && !machine.gpus.empty()) {
    return Fail(ErrorCode::kInvalid, "{} ranks share {}: start no more ranks on a node than it has GPUs", processes,
                worker::Describe(machine.gpus));
  }
  KeepTo(share);
  machine = worker::Narrowed(std::move(machine), share, processes);
  return worker::TakeInventory(machine.limits, InventoryOf(options), std::move(machine.gpus));
}

Offer OwnOffer(const Result<worker::Inventory>& inventory) {
  Offer offer{.host = OwnHost(), .refusal = std::nullopt};
  if (!inventory) {
    offer.refusal = inventory.error().Text();
    return offer;
  }
  offer.slots = inventory->slots;
  offer.slot_memory_bytes = inventory->slot_memory_bytes;
  return offer;
}

// ---- rank 0 ----

std::string Plural(size_t count, const std::string& one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string Summary(const Met& met) {
  size_t slots = 0;
  for (const Offer& offer : met.offers) slots += static_cast<size_t>(offer.slots);
  return fmt::format("{} on {} lend {}", Plural(met.offers.size(), "rank"), Plural(met.hosts().size(), "machine"),
                     Plural(slots, "slot"));
}

void SayWhoLendsNothing(const Met& met) {
  for (size_t rank = 1; rank < met.offers.size(); ++rank) {
    const Offer& offer = met.offers[rank];
    if (offer.refusal) {
      PrintToError(fmt::format("tutti: rank {} on {} lends nothing: {}\n", rank, offer.host, *offer.refusal));
    }
  }
}

void SayWhatALossMeans(LossOfARank loss) {
  if (loss != LossOfARank::kEndsAll) return;
  PrintToError(
      "tutti: mpirun ends all ranks when one dies; with --mca orte_abort_on_non_zero_status 0 --enable-recovery the "
      "others go on (docs/mpi.md)\n");
}

bool ShareOneNetwork(const Met& met) {
  return std::ranges::all_of(met.arrivals, [&](const Arrival& one) { return one.network == met.arrivals[0].network; });
}

bool IsWildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

// Where rank 0's coordinator listens, and where the others look for it.
struct Meetingplace {
  network::Address listen;
  std::vector<std::string> hosts;
};

Meetingplace ChoosePlace(const Met& met, const std::optional<network::Address>& asked) {
  if (asked && !IsWildcard(asked->host)) return {*asked, {asked->host}};
  const uint16_t port = asked ? asked->port : uint16_t{0};
  if (!asked && ShareOneNetwork(met)) return {{"127.0.0.1", port, true}, {"127.0.0.1"}};
  std::vector<std::string> hosts = network::OwnAddresses();
  const bool four = hosts.empty() || hosts.front().find(':') == std::string::npos;
  hosts.push_back(HostName());
  return {{asked ? asked->host : four ? "0.0.0.0" : "::", port, true}, hosts};
}

// Speaks to all ranks once, and not through MPI any more.
class RankZero {
 public:
  RankZero(Meeting& meeting, const OuterLaunch& launch, const CrewOptions& options, const Met& met, const Own& own)
      : meeting_(meeting), launch_(launch), options_(options), met_(met), own_(own) {}

  int Run(const Lead& lead) {
    const int exit_code = lead([this] { return FindCrew(); });
    if (has_spoken_) return exit_code;
    const auto told = Tell(Dismissal{exit_code});
    return told ? exit_code : EndWith(told.error());
  }

 private:
  Result<Crew> FindCrew() {
    if (!own_.inventory) return tl::unexpected<Error>(own_.inventory.error());
    Crew crew;
    TUTTI_ASSIGN_OR_RETURN(
        const worker::Launcher launcher,
        worker::ChooseLauncher(options_.launcher, worker::CurrentEnvironment(), static_cast<int>(met_.hosts().size())));
    const std::string shared =
        launcher == worker::Launcher::kLocal ? "" : "launch-" + network::MakeSecret().substr(0, 8);
    for (const Offer& offer : met_.offers) {
      if (!offer.refusal)
        crew.lenders.push_back({shared.empty() ? offer.host : shared, offer.slots, offer.slot_memory_bytes});
    }
    crew.summary = Summary(met_);
    crew.cluster.inventory = *own_.inventory;
    crew.cluster.launcher = launcher;
    crew.cluster.launch_domain =
        shared.empty() ? worker::LaunchDomainOfMachine(worker::DefaultRuntimeFolder()) : shared;
    crew.cluster.leases = options_.leases;
    crew.cluster.host = OwnHost();
    crew.cluster.others = OthersOf(launcher, shared);
    return crew;
  }

  OtherWorkers OthersOf(worker::Launcher launcher, const std::string& launch_domain) {
    const Meetingplace place = ChoosePlace(met_, options_.listen);
    // Of this run alone: nothing that lies in the home lets anybody in.
    const server::Tokens tokens{network::MakeSecret(), network::MakeSecret()};
    const auto invite = [this, place, launcher, launch_domain,
                         token = tokens.for_operator](const ClusterAddress& address) {
      SayWhatALossMeans(launch_.loss);
      SayWhoLendsNothing(met_);
      return Tell(Invitation{place.hosts, address.port, token, address.fingerprint, launcher, launch_domain});
    };
    return {place.listen, tokens, invite};
  }

  Result<void> Tell(const Word& word) {
    has_spoken_ = true;
    TUTTI_RETURN_IF_ERROR(meeting_.Broadcast(Encode(word)));
    return meeting_.Leave();
  }

  Meeting& meeting_;
  const OuterLaunch& launch_;
  const CrewOptions& options_;
  const Met& met_;
  const Own& own_;
  bool has_spoken_ = false;
};

// ---- the others ----

// At the first of its addresses where it answers, as itself.
Result<Client> FindCoordinator(const Invitation& invitation) {
  std::optional<Error> last;
  for (const std::string& host : invitation.hosts) {
    Client client(network::Remote{{host, invitation.port, true}, invitation.token, invitation.fingerprint},
                  kAnswerDeadline);
    const auto health = client.AskHealth();
    if (health) return client;
    last = health.error();
  }
  return FailBecause(*last, "rank 0 is not reached at any of {}, port {}; --listen names an address that is",
                     fmt::join(invitation.hosts, ", "), invitation.port);
}

Result<Client> FindCoordinatorWithin(const Invitation& invitation, Duration limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    auto found = FindCoordinator(invitation);
    if (found || std::chrono::steady_clock::now() >= end) return found;
    std::this_thread::sleep_for(kPoll);
  }
}

void Say(const std::string& who, const std::string& what) { PrintToError(fmt::format("tutti: {}: {}\n", who, what)); }

class LendingRank {
 public:
  explicit LendingRank(Lending lending)
      : lending_(std::move(lending)), signals_([this](int signal, int count) { OnSignal(signal, count); }) {
    lending_.Connect([name = lending_.name()](const std::string& what) { Say(name, what); });
  }

  // Until rank 0 tells it to leave, is gone for good, or does not end in time what a signal asked all ranks to end.
  int Work() {
    worker::Agent& agent = lending_.agent();
    while (true) {
      if (agent.WaitStopped(Duration(0))) return kExitDone;
      if (const auto failure = agent.failure()) return Leave(*failure);
      if (signals_.first() != 0 && !asked_at_) asked_at_ = std::chrono::steady_clock::now();
      if (asked_at_ && std::chrono::steady_clock::now() - *asked_at_ >= kRankZeroStops) agent.RequestStop();
      signals_.Wait(kPoll);
    }
  }

 private:
  // On the signals' thread. What a launcher passes on has rank 0 end everything in order, this worker too. Another
  // signal is for this rank alone, or the launcher is about to kill it.
  void OnSignal(int signal, int count) {
    worker::Agent& agent = lending_.agent();
    if (count > 1) return agent.KillAll();
    if (signal != SIGUSR1) agent.RequestStop();
  }

  int Leave(const Error& why) {
    Say(lending_.name(), why.Text() + "; it leaves");
    worker::Agent& agent = lending_.agent();
    // What has not travelled yet never will.
    lending_.scratch() ? agent.KillAll() : agent.RequestStop();
    (void)agent.WaitStopped(lending_.stop_deadline());
    return ExitCodeOf(why.code);
  }

  Lending lending_;
  std::optional<std::chrono::steady_clock::time_point> asked_at_;
  StopSignals signals_;  // last: its thread uses what stands above
};

Result<Lending> StartLending(const Invitation& invitation, const Own& own) {
  TUTTI_ASSIGN_OR_RETURN(const Client client, FindCoordinatorWithin(invitation, kFindDeadline));
  LendingOptions options{.coordinator = client.peer(), .home = {}, .inventory = *own.inventory};
  TUTTI_ASSIGN_OR_RETURN(options.home, client.FindHome());
  options.host = OwnHost();
  options.base_name =
      own.number_on_host == 0 ? options.host : fmt::format("{}-{}", options.host, own.number_on_host + 1);
  if (!invitation.launch_domain.empty()) options.launch_domain = invitation.launch_domain;
  options.launcher = invitation.launcher;
  options.serves = worker::Serves::kOneCoordinator;
  options.longest_absence = kLongestAbsence;
  return Lending::Start(std::move(options));
}

int LendTo(const Invitation& invitation, int rank, const Own& own) {
  // Rank 0 has heard it too, and tells this one what follows from it.
  std::signal(SIGUSR1, SIG_IGN);
  auto lending = StartLending(invitation, own);
  if (lending) return LendingRank(std::move(*lending)).Work();
  Say(fmt::format("rank {} on {}", rank, OwnHost()), lending.error().Text());
  return ExitCodeOf(lending.error().code);
}

int Follow(Meeting& meeting, const Own& own) {
  const auto text = meeting.Broadcast("");
  const auto word = text ? DecodeWord(*text) : Result<Word>(tl::unexpected(text.error()));
  const auto left = meeting.Leave();
  if (!word) return EndWith(word.error());
  if (!left) return EndWith(left.error());
  if (const auto* dismissal = std::get_if<Dismissal>(&*word)) return dismissal->exit_code;
  // Rank 0 has said why.
  if (!own.inventory) return kExitDone;
  return LendTo(std::get<Invitation>(*word), meeting.rank(), own);
}

Result<Met> Meet(Meeting& meeting, const CrewOptions& options, Result<worker::Machine> machine, Own& own) {
  Met met;
  TUTTI_ASSIGN_OR_RETURN(met.arrivals, Exchange(meeting, OwnArrival(machine), DecodeArrival));
  own.inventory = machine ? TakeShare(std::move(*machine), met.arrivals, meeting.rank(), options.slots)
                          : Result<worker::Inventory>(tl::unexpected(machine.error()));
  for (int before = 0; before < meeting.rank(); ++before) {
    own.number_on_host += met.arrivals[static_cast<size_t>(before)].host == OwnHost() ? 1 : 0;
  }
  TUTTI_ASSIGN_OR_RETURN(met.offers, Exchange(meeting, OwnOffer(own.inventory), DecodeOffer));
  return met;
}

// What all ranks of a node see alike, one of them says.
int CannotMeet(const OuterLaunch& launch, const Error& error) {
  return launch.local_rank == 0 ? EndWith(error) : ExitCodeOf(error.code);
}

}  // namespace

Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const Crew& crew) {
  return crew.lenders.empty() ? CheckGangsFit(spec, crew.cluster.inventory) : CheckGangsFit(spec, crew.lenders);
}

LookAhead LookAheadFor(const spec::EnsembleSpec& spec, const Crew& crew) {
  if (crew.lenders.empty()) return {};
  return [prospects = std::make_shared<Prospects>(spec, crew.lenders)](
             const Client& client, const EnsembleDocument& ensemble) -> std::optional<Error> {
    const auto json = client.Workers();
    const auto workers = json ? ReadWorkers(*json) : Result<std::vector<WorkerDocument>>(tl::unexpected(json.error()));
    if (!workers) return std::nullopt;
    return prospects->Look(ensemble, *workers, std::chrono::steady_clock::now());
  };
}

int RunAsRank(const OuterLaunch& launch, const CrewOptions& options, const Lead& lead) {
  const auto deadline = MeetingDeadline(worker::CurrentEnvironment());
  if (!deadline) return CannotMeet(launch, deadline.error());
  // Before MPI begins: a trainer may have to be asked what it can use.
  auto machine = worker::LookAtMachine(DeviceOf(options.slots));
  auto meeting = Meeting::Join(launch, *deadline);
  if (!meeting) return CannotMeet(launch, meeting.error());
  Own own{.inventory = worker::Inventory()};
  const auto met = Meet(*meeting, options, std::move(machine), own);
  if (!met) return EndWith(met.error());
  if (meeting->rank() > 0) return Follow(*meeting, own);
  return RankZero(*meeting, launch, options, *met, own).Run(lead);
}

}  // namespace tutti::cli
