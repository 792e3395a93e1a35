#include "cli/lending.h"

#include "common/file_system.h"
#include "common/host_name.h"
#include "coordinator/server/access.h"
#include "worker/agent/launch_domain.h"
#include "worker/agent/runtime_folder.h"

namespace tutti::cli {
namespace {

// For checkpoints to reach a coordinator that may be away just now: with the worker its copies go.
constexpr Duration kCarryDeadline = std::chrono::minutes(15);
constexpr Duration kStopDeadline = std::chrono::minutes(2);  // longer than trainers get for a checkpoint

// What the coordinator calls its home is the same folder here: checkpoints go where it looks for them.
bool SeesHome(const Client::Home& home) {
  const auto mark = server::ReadMark(PosixFileSystem(), home.path);
  return mark && *mark == home.mark;
}

// Else a home of its own, between which and the coordinator's files travel. Null where it sees it.
Result<std::unique_ptr<worker::Scratch>> MakeScratch(const LendingOptions& options, const WorkerId& worker) {
  if (SeesHome(options.home)) return nullptr;
  const auto folder = options.scratch ? std::filesystem::path(*options.scratch) : worker::DefaultScratchFolder();
  TUTTI_ASSIGN_OR_RETURN(worker::Scratch scratch,
                         worker::Scratch::Make(PosixFileSystem(), folder, options.home.mark, worker));
  return std::make_unique<worker::Scratch>(std::move(scratch));
}

worker::AgentOptions OptionsOf(const LendingOptions& options, const WorkerId& id, const worker::Scratch* scratch) {
  worker::AgentOptions agent;
  agent.id = id;
  agent.host = options.host.empty() ? HostName() : options.host;
  agent.runtime_folder = worker::DefaultRuntimeFolder();
  agent.home = options.home.path;
  if (scratch != nullptr) {
    agent.home = scratch->home().home;
    agent.carry = worker::CarryOptions{.coordinator = options.coordinator, .home = scratch->home()};
  } else {  // ranks of a gang read and write in one home
    agent.launch_domain = options.launch_domain.value_or(worker::LaunchDomainOfMachine(agent.runtime_folder));
  }
  agent.inventory = options.inventory;
  agent.launcher = options.launcher;
  agent.serves = options.serves;
  return agent;
}

}  // namespace

Lending::Lending(LendingOptions options, worker::WorkerName name, std::unique_ptr<worker::Scratch> scratch,
                 std::unique_ptr<worker::Agent> agent)
    : options_(std::move(options)), name_(std::move(name)), scratch_(std::move(scratch)), agent_(std::move(agent)) {}

Result<Lending> Lending::Start(LendingOptions options) {
  const std::string base = options.base_name.empty() ? HostName() : options.base_name;
  TUTTI_ASSIGN_OR_RETURN(worker::WorkerName name, worker::WorkerName::Hold(worker::DefaultRuntimeFolder(),
                                                                           options.home.mark, options.name, base));
  TUTTI_ASSIGN_OR_RETURN(auto scratch, MakeScratch(options, name.id()));
  TUTTI_ASSIGN_OR_RETURN(auto agent, worker::Agent::Start(OptionsOf(options, name.id(), scratch.get())));
  return Lending(std::move(options), std::move(name), std::move(scratch), std::move(agent));
}

std::optional<std::filesystem::path> Lending::scratch() const {
  return scratch_ ? std::optional(scratch_->home().home) : std::nullopt;
}

Duration Lending::stop_deadline() const { return scratch_ ? kCarryDeadline : kStopDeadline; }

void Lending::Connect(std::function<void(const std::string&)> tell) {
  agent_->KeepConnected(
      {.coordinator = options_.coordinator, .longest_absence = options_.longest_absence, .tell = std::move(tell)});
}

}  // namespace tutti::cli
