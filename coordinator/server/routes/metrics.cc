#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "coordinator/server/metrics_text.h"
#include "coordinator/server/routes/routes.h"

namespace tutti::server {
namespace {

using Type = MetricsText::Type;

constexpr std::array kEnsembleStates = {EnsembleState::kRunning, EnsembleState::kFinished,  EnsembleState::kIncomplete,
                                        EnsembleState::kFailed,  EnsembleState::kCancelled, EnsembleState::kStopped,
                                        EnsembleState::kRemoving};
constexpr std::array kJobStates = {JobState::kWaiting, JobState::kRunning,   JobState::kFinished,
                                   JobState::kFailed,  JobState::kCancelled, JobState::kStopped};

// How many of each state: those of no record, too, so that a series never ends.
template <typename States, typename RecordsOfOneKind, typename Counts>
std::vector<MetricsText::Sample> CountByState(const States& states, const RecordsOfOneKind& records, Counts counts) {
  std::vector<MetricsText::Sample> samples;
  for (const auto state : states) {
    double count = 0;
    for (const auto& record : records) count += record.state == state && counts(record) ? 1 : 0;
    samples.push_back({Name(state), count});
  }
  return samples;
}

void AddEnsembles(MetricsText& metrics, const Records& records) {
  metrics.Add("tutti_ensembles", Type::kGauge, "Ensembles by state.", "state",
              CountByState(kEnsembleStates, records.ensembles, [](const EnsembleRecord&) { return true; }));
  metrics.Add("tutti_members", Type::kGauge, "Members by state.", "state",
              CountByState(kJobStates, records.jobs, [](const JobRecord& job) { return job.kind == JobKind::kTrain; }));
}

void AddWorkers(MetricsText& metrics, const std::vector<core::Core::WorkerView>& workers) {
  double connected = 0;
  double free = 0;
  double busy = 0;
  for (const auto& worker : workers) {
    if (!worker.connected) continue;
    ++connected;
    for (const auto& holder : worker.holders) ++(holder ? busy : free);
  }
  metrics.Add("tutti_workers_connected", Type::kGauge, "Workers that are connected.", connected);
  metrics.Add("tutti_slots", Type::kGauge, "Slots of the connected workers.", "use", {{"free", free}, {"busy", busy}});
}

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void AddProcess(MetricsText& metrics) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  metrics.Add("process_cpu_seconds_total", Type::kCounter, "CPU time of this process, in seconds.",
              SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime));
  double pages_in_all = 0;
  double pages = 0;
  std::ifstream("/proc/self/statm") >> pages_in_all >> pages;
  metrics.Add("process_resident_memory_bytes", Type::kGauge, "Memory of this process, in bytes.",
              pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

Result<void> ShowMetrics(const RouteContext& context, const HttpRequest&, const Respond& respond) {
  MetricsText metrics;
  AddEnsembles(metrics, context.executor.core().records());
  const AttemptTally& tally = context.executor.tally();
  metrics.Add("tutti_attempts_started_total", Type::kCounter, "Attempts that were started since this start.",
              static_cast<double>(tally.started()));
  metrics.Add("tutti_attempts_failed_total", Type::kCounter, "Attempts that failed since this start.",
              static_cast<double>(tally.failed()));
  AddWorkers(metrics, context.executor.core().workers());
  metrics.Add("tutti_catalog_generation", Type::kGauge, "The start of a coordinator, counted, that this one is.",
              static_cast<double>(context.catalog.generation().value));
  AddProcess(metrics);
  respond(HttpResponse{200, MetricsText::kContentType, std::move(metrics).text()});
  return {};
}

constexpr Route kRoutes[] = {{Method::kGet, "/metrics", Role::kReader, ShowMetrics}};

}  // namespace

std::span<const Route> MetricsRoutes() { return kRoutes; }

}  // namespace tutti::server
