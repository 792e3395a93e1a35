#include "coordinator/server/node_keeper.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "coordinator/server/executor.h"
#include "coordinator/server/past.h"

namespace tutti::server {
namespace {

using core::NodeJob;

constexpr size_t kMarkDigits = 8;

// The workers of a job are called NAME-0, NAME-1, ...
bool IsOf(const WorkerId& worker, const std::string& job) { return worker.str().starts_with(job + "-"); }

void Add(const core::Core::WorkerView& worker, const Estimates& estimates, core::SlotGroup& group) {
  ++group.workers;
  for (const auto& holder : worker.holders) {
    if (!holder) {
      ++group.free;
    } else {
      group.busy.push_back(estimates.Left(holder->job));
    }
  }
}

std::string_view StateOf(const BatchJob& job) { return job.running ? "running" : "waiting"; }

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// What came of a decision.
struct Outcome {
  bool noted = false;
  std::vector<std::string> submitted;
  std::optional<Error> refused;
  std::vector<Error> troubles;
};

struct Orders {
  std::optional<std::string> ledger;  // where it has changed
  std::vector<NodeRequest> submit;
  std::vector<BatchJob> cancel;
};

// On the batch system's thread.
Outcome CarryOut(FileSystem& files, const std::filesystem::path& home, BatchSystem& batch, const Orders& orders) {
  Outcome outcome;
  for (const BatchJob& job : orders.cancel) {
    const auto cancelled = batch.Cancel(job);
    if (!cancelled) outcome.troubles.push_back(cancelled.error());
  }
  // A name that is not noted could be given twice.
  const auto noted = orders.ledger ? WriteNodeLedger(files, home, *orders.ledger) : Result<void>();
  outcome.noted = noted.has_value();
  if (!noted) {
    outcome.troubles.push_back(noted.error());
    return outcome;
  }
  for (const NodeRequest& request : orders.submit) {
    const auto submitted = batch.Submit(request);
    if (!submitted) {
      outcome.refused = submitted.error();
      // Another may be to its taste.
      if (submitted.error().code == ErrorCode::kDenied) continue;
      break;
    }
    outcome.submitted.push_back(request.name);
    spdlog::info("asked for {} node{} for {:.0f} minutes: {}", request.nodes, request.nodes == 1 ? "" : "s",
                 Seconds(request.walltime) / 60, request.name);
  }
  return outcome;
}

}  // namespace

NodeKeeper::NodeKeeper(Surroundings here, NodeOptions options, Executor& executor)
    : here_(std::move(here)),
      options_(std::move(options)),
      prefix_(fmt::format("tutti-{}-", here_.mark.substr(0, kMarkDigits))),
      executor_(executor) {}

Result<void> NodeKeeper::Begin() {
  TUTTI_ASSIGN_OR_RETURN(ledger_, NodeLedger::Read(*here_.files, here_.home));
  LookLater();
  return {};
}

void NodeKeeper::LookLater() {
  here_.later(options_.poll, [this] { Look(); });
}

void NodeKeeper::Look() {
  if (executor_.stopping()) return;
  here_.batch([this, past = PastOf(executor_.core()), now = executor_.Now()] {
    auto jobs = options_.batch->List(prefix_);
    auto estimates = EstimatesFrom(past, now);
    here_.events([this, jobs = std::move(jobs), estimates = std::move(estimates)] {
      if (!jobs) {
        Complain(jobs.error());
        return LookLater();
      }
      Decide(*jobs, estimates);
    });
  });
}

void NodeKeeper::Complain(const Error& error) {
  if (error.Text() != trouble_) spdlog::warn("nodes on demand: {}", error.Text());
  trouble_ = error.Text();
}

void NodeKeeper::NoteRefusal(const Error& error) {
  ++refusals_;
  refused_at_ = executor_.Now();
  Complain(error);
}

// A job that ended before a worker of it came would be asked for again and again.
void NodeKeeper::FindLost(const std::vector<BatchJob>& jobs) {
  for (auto name = awaited_.begin(); name != awaited_.end();) {
    const bool listed = std::ranges::any_of(jobs, [&](const BatchJob& job) { return job.name == *name; });
    if (!listed) {
      NoteRefusal({ErrorCode::kDenied,
                   fmt::format("the job {} ended before a worker of it came: {} says why", *name,
                               (here_.home / "nodes" / (*name + ".txt")).string()),
                   nullptr});
    }
    name = listed ? std::next(name) : awaited_.erase(name);
  }
}

void NodeKeeper::Decide(const std::vector<BatchJob>& jobs, const Estimates& estimates) {
  if (executor_.stopping()) return;
  executor_.Flush();
  if (!here_.is_newest()) return;
  if (refusals_ == 0) trouble_.clear();
  FindLost(jobs);
  jobs_ = jobs;
  ledger_.Note(jobs_);
  EndDrainsOfJobsThatEnded();
  const core::NodeDecision decision = core::DecideNodes(options_.limits, MakeView(estimates), executor_.Now());
  why_not_ = decision.why_not;
  for (const std::string& job : decision.leave) TellToLeave(job);
  Act(decision);
}

core::NodeView NodeKeeper::MakeView(const Estimates& estimates) {
  core::NodeView view;
  for (core::Waiting& gang : executor_.core().Unserved()) {
    const auto takes = estimates.Left(gang.job);
    view.waiting.push_back({std::move(gang), takes});
  }
  const auto workers = executor_.core().workers();
  for (const BatchJob& job : jobs_) view.jobs.push_back(See(job, workers, estimates));
  std::erase_if(idle_since_, [&](const auto& entry) {
    return std::ranges::none_of(jobs_, [&](const BatchJob& job) { return job.name == entry.first; });
  });
  for (const auto& worker : workers) {
    const bool on_demand = std::ranges::any_of(jobs_, [&](const BatchJob& job) { return IsOf(worker.id, job.name); });
    if (on_demand || !worker.connected || !worker.closed.empty()) continue;
    Add(worker, estimates, view.others.emplace_back());
  }
  view.used = ledger_.used();
  view.slots_per_node = ledger_.slots_per_node();
  view.refusals = refusals_;
  view.refused_at = refused_at_;
  return view;
}

NodeJob NodeKeeper::See(const BatchJob& job, const std::vector<core::Core::WorkerView>& workers,
                        const Estimates& estimates) {
  NodeJob seen{.name = job.name, .nodes = job.nodes, .walltime = job.walltime, .left = job.left};
  if (job.running) seen.state = NodeJob::State::kRunning;
  int draining = 0;
  for (const auto& worker : workers) {
    if (!IsOf(worker.id, job.name)) continue;
    draining += worker.draining ? 1 : 0;
    if (!worker.connected) continue;
    Add(worker, estimates, seen.slots);
    ledger_.NoteSlots(worker.slots);
    awaited_.erase(job.name);
    refusals_ = 0;
  }
  // What was told before this coordinator began counts as well.
  if (draining > 0 && draining >= seen.slots.workers) seen.state = NodeJob::State::kLeaving;
  const bool idle = seen.slots.workers >= job.nodes && seen.slots.busy.empty();
  if (idle) {
    seen.idle_since = idle_since_.try_emplace(job.name, executor_.Now()).first->second;
  } else {
    idle_since_.erase(job.name);
  }
  return seen;
}

// One after the other its workers get nothing new; once they do nothing the job is cancelled.
void NodeKeeper::TellToLeave(const std::string& job) {
  spdlog::info("{} idles and is given back", job);
  for (const auto& worker : executor_.core().workers()) {
    if (IsOf(worker.id, job)) executor_.Submit(core::WorkerDrained{worker.id, core::WorkerDrained::Drain::kFinish});
  }
}

// Their names are not given again.
void NodeKeeper::EndDrainsOfJobsThatEnded() {
  for (const auto& worker : executor_.core().workers()) {
    const bool ended = worker.id.str().starts_with(prefix_) && worker.draining && !worker.connected &&
                       std::ranges::none_of(jobs_, [&](const BatchJob& job) { return IsOf(worker.id, job.name); });
    if (ended) executor_.Submit(core::WorkerDrained{worker.id, core::WorkerDrained::Drain::kEnd});
  }
}

void NodeKeeper::Act(const core::NodeDecision& decision) {
  Orders orders;
  for (const BatchJob& job : jobs_) {
    if (std::ranges::find(decision.cancel, job.name) == decision.cancel.end()) continue;
    orders.cancel.push_back(job);
    awaited_.erase(job.name);
  }
  for (const auto& ask : decision.ask) {
    orders.submit.push_back({fmt::format("{}{}", prefix_, ledger_.TakeNumber()), ask.nodes, ask.walltime});
  }
  if (std::string text = ledger_.Text(); text != written_) orders.ledger = std::move(text);
  here_.batch([this, orders = std::move(orders)] {
    const Outcome outcome = CarryOut(*here_.files, here_.home, *options_.batch, orders);
    here_.events([this, outcome, ledger = orders.ledger] {
      if (outcome.noted && ledger) written_ = *ledger;
      for (const Error& trouble : outcome.troubles) Complain(trouble);
      awaited_.insert(outcome.submitted.begin(), outcome.submitted.end());
      if (outcome.refused) NoteRefusal(*outcome.refused);
      LookLater();
    });
  });
}

Json NodeKeeper::View() const {
  const core::NodeLimits& limits = options_.limits;
  Json jobs = Json::array();
  for (const BatchJob& job : jobs_) {
    jobs.push_back({{"name", job.name},
                    {"id", job.id},
                    {"state", StateOf(job)},
                    {"nodes", job.nodes},
                    {"walltime_s", Seconds(job.walltime)},
                    {"left_s", Seconds(job.left)}});
  }
  Json waiting = Json::array();
  for (const auto& [job, reason] : why_not_) waiting.push_back({{"job", job.str()}, {"reason", reason}});
  const Json budget = limits.budget ? Json(Seconds(*limits.budget) / 3600) : Json(nullptr);
  return {
      {"most_nodes", limits.nodes}, {"budget_node_hours", budget}, {"used_node_hours", Seconds(ledger_.used()) / 3600},
      {"jobs", std::move(jobs)},    {"trouble", trouble_},         {"waiting", std::move(waiting)}};
}

}  // namespace tutti::server
