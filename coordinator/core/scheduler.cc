#include "coordinator/core/scheduler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/result.h"

namespace tutti::core {
namespace {

using Spread = spec::SlotsSpec::Spread;

std::string SlotsAtOnce(const Waiting& job) {
  if (job.minimum_slots == 1) return "1 slot";
  return fmt::format("{} slots at once{}", job.minimum_slots, job.spread == Spread::kAllowed ? "" : " on one worker");
}

// Where its user could change that.
std::string WhyNotSpread(const Waiting& job) {
  return job.spread == Spread::kAllowed ? "" : " (its experiment says spread: false)";
}

std::string AreFree(int slots) {
  if (slots == 0) return "none is free";
  return slots == 1 ? "1 is free" : fmt::format("{} are free", slots);
}

}  // namespace

Placer::Placer(const std::vector<FreeSlots>& cluster) {
  for (const FreeSlots& slots : cluster) {
    Domain& domain = DomainOf(slots);
    if (!slots.closed.empty()) {
      domain.closed_total += slots.total;
      closed_.push_back({slots.worker, slots.total, slots.closed});
      continue;
    }
    domain.total += slots.total;
    domain.free += static_cast<int>(slots.free.size());
    domain.hosts.push_back({slots.worker, slots.total, {slots.free.rbegin(), slots.free.rend()}});
  }
}

Placer::Domain& Placer::DomainOf(const FreeSlots& slots) {
  // A worker without a domain gets one whose name nobody else can have.
  const std::string name = slots.launch_domain.empty() ? "\n" + slots.worker.str() : slots.launch_domain;
  const auto found = std::ranges::find(domains_, name, &Domain::name);
  if (found != domains_.end()) return *found;
  return domains_.emplace_back(Domain{name, 0, 0, 0, {}, {}});
}

bool Placer::exhausted() const {
  return std::ranges::all_of(domains_, [](const Domain& domain) { return domain.available() == 0; });
}

int Placer::WidthFor(const Waiting& job, const Domain& domain) {
  if (job.spread == Spread::kAllowed) return domain.total;
  int widest = 0;
  for (const Host& host : domain.hosts) widest = std::max(widest, host.total);
  return widest;
}

int Placer::FreeFor(const Waiting& job, const Domain& domain) {
  if (job.spread == Spread::kAllowed) return domain.free;
  int widest = 0;
  for (const Host& host : domain.hosts) widest = std::max(widest, static_cast<int>(host.free.size()));
  return widest;
}

tl::expected<std::vector<SlotId>, Refusal> Placer::Place(const Waiting& job) {
  const auto refuse = [](Refusal::Kind kind, std::string reason) {
    return tl::unexpected<Refusal>(Refusal{kind, std::move(reason)});
  };
  const auto could_hold = [&](const Domain& domain) { return WidthFor(job, domain) >= job.minimum_slots; };
  if (std::ranges::none_of(domains_, could_hold)) return refuse(Refusal::Kind::kUnfit, WhyUnfit(job));
  Domain* widest = WidestFor(job);
  if (widest == nullptr) return refuse(Refusal::Kind::kInLine, WhyKept(job));
  const int free = FreeFor(job, *widest);
  if (free < job.minimum_slots) {
    widest->kept_for = job.job;
    return refuse(Refusal::Kind::kKept, fmt::format("needs {}, {}", SlotsAtOnce(job), AreFree(free)));
  }
  return Take(std::min(job.maximum_slots, free), job);
}

std::string Placer::WhyUnfit(const Waiting& job) const {
  if (domains_.empty()) return "no worker has joined";
  // With the workers that get nothing new.
  int widest = 0;
  for (const Domain& domain : domains_) {
    const int closed = job.spread == Spread::kAllowed ? domain.closed_total : 0;
    widest = std::max(widest, WidthFor(job, domain) + closed);
  }
  if (job.spread == Spread::kOneWorker) {
    for (const Closed& one : closed_) widest = std::max(widest, one.total);
  }
  if (widest < job.minimum_slots) {
    return fmt::format("needs {}, but no {} has more than {}{}", SlotsAtOnce(job),
                       job.spread == Spread::kAllowed ? "group of workers" : "worker", widest, WhyNotSpread(job));
  }
  std::vector<std::string> closed;
  for (const Closed& one : closed_) closed.push_back(fmt::format("{} {}", one.worker, one.why));
  return fmt::format("needs {}, and there are too few without the workers that get nothing new: {}", SlotsAtOnce(job),
                     fmt::join(closed, ", "));
}

Placer::Domain* Placer::WidestFor(const Waiting& job) {
  Domain* widest = nullptr;
  for (Domain& domain : domains_) {
    if (!domain.open() || WidthFor(job, domain) < job.minimum_slots) continue;
    if (widest == nullptr || FreeFor(job, domain) > FreeFor(job, *widest)) widest = &domain;
  }
  return widest;
}

std::vector<SlotId> Placer::Take(int slots, const Waiting& job) {
  const auto rank = [&](const Host& one) { return std::pair(job.avoids.contains(one.worker), one.free.size()); };
  // The tightest fit leaves the widest holes: one worker where it can be, else the domain with the least to spare.
  Domain* domain = nullptr;
  Host* host = nullptr;
  for (Domain& candidate : domains_) {
    if (candidate.available() < slots) continue;
    if (host == nullptr && (domain == nullptr || candidate.free < domain->free)) domain = &candidate;
    for (Host& one : candidate.hosts) {
      if (std::ssize(one.free) < slots || (host != nullptr && rank(one) >= rank(*host))) continue;
      domain = &candidate;
      host = &one;
    }
  }
  TUTTI_CHECK(domain != nullptr && (host != nullptr || job.spread == Spread::kAllowed));
  std::vector<SlotId> gang;
  if (host != nullptr) {
    TakeFrom(*domain, *host, slots, gang);
    return gang;
  }
  std::vector<Host*> widest_first;
  for (Host& one : domain->hosts) widest_first.push_back(&one);
  std::ranges::stable_sort(widest_first, std::greater(), [](const Host* one) { return one->free.size(); });
  for (Host* one : widest_first) {
    const int missing = slots - static_cast<int>(gang.size());
    TakeFrom(*domain, *one, std::min(missing, static_cast<int>(one->free.size())), gang);
  }
  return gang;
}

void Placer::TakeFrom(Domain& domain, Host& host, int slots, std::vector<SlotId>& gang) {
  for (int i = 0; i < slots; ++i) {
    gang.push_back({host.worker, host.free.back()});
    host.free.pop_back();
  }
  domain.free -= slots;
}

std::string Placer::WhyKept(const Waiting& job) const {
  const Domain* kept = nullptr;
  for (const Domain& domain : domains_) {
    if (WidthFor(job, domain) < job.minimum_slots) continue;
    if (kept == nullptr || domain.free > kept->free) kept = &domain;
  }
  TUTTI_CHECK(kept != nullptr);
  return fmt::format("needs {}; what comes free first is for {}", SlotsAtOnce(job), kept->kept_for.str());
}

}  // namespace tutti::core
