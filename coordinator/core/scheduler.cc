#include "coordinator/core/scheduler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "common/result.h"
#include "common/spec/memory_size.h"

namespace tutti::core {
namespace {

using Spread = spec::SlotsSpec::Spread;

std::string SlotsAtOnce(const Waiting& job) {
  const std::string of =
      job.slot_memory_bytes == 0 ? "" : fmt::format(" of {}", spec::MemoryText(job.slot_memory_bytes));
  if (job.minimum_slots == 1) return "1 slot" + of;
  return fmt::format("{} slots{} at once{}", job.minimum_slots, of,
                     job.spread == Spread::kAllowed ? "" : " on one worker");
}

// Where its user could change that.
std::string WhyNotSpread(const Waiting& job) {
  return job.spread == Spread::kAllowed ? "" : " (its experiment says spread: false)";
}

// What a gang may have of hosts with so many slots each: all together, or those of the widest.
class Width {
 public:
  explicit Width(const Waiting& job) : spread_(job.spread) {}
  void Add(int slots) { width_ = spread_ == Spread::kAllowed ? width_ + slots : std::max(width_, slots); }
  int slots() const { return width_; }

 private:
  const Spread spread_;
  int width_ = 0;
};

constexpr uint64_t kUnknownMemory = std::numeric_limits<uint64_t>::max();

std::string AreFree(int slots) {
  if (slots == 0) return "none is free";
  return slots == 1 ? "1 is free" : fmt::format("{} are free", slots);
}

}  // namespace

template <typename SlotsOf>
int Placer::Domain::WidthFor(const Waiting& job, SlotsOf slots_of) const {
  Width width(job);
  for (const Host& host : hosts) width.Add(host.Offers(job.slot_memory_bytes) ? slots_of(host) : 0);
  return width.slots();
}

int Placer::Domain::Total(const Waiting& job) const {
  return WidthFor(job, [](const Host& host) { return host.total; });
}

int Placer::Domain::OpenTotal(const Waiting& job) const {
  return WidthFor(job, [this](const Host& host) { return IsOpen(host) ? host.total : 0; });
}

int Placer::Domain::Free(const Waiting& job) const {
  return WidthFor(job, [this](const Host& host) { return IsOpen(host) ? static_cast<int>(host.free.size()) : 0; });
}

Placer::Placer(const std::vector<FreeSlots>& cluster) {
  std::unordered_map<std::string, size_t> numbers;
  for (const FreeSlots& slots : cluster) {
    Domain& domain = DomainOf(slots, numbers);
    most_slot_memory_ =
        std::max(most_slot_memory_, slots.slot_memory_bytes == 0 ? kUnknownMemory : slots.slot_memory_bytes);
    if (!slots.closed.empty()) {
      domain.closed_total += slots.total;
      closed_.push_back({slots.worker, slots.total, slots.closed});
      continue;
    }
    domain.hosts.push_back(
        {slots.worker, slots.total, slots.slot_memory_bytes, {slots.free.rbegin(), slots.free.rend()}});
  }
}

Placer::Domain& Placer::DomainOf(const FreeSlots& slots, std::unordered_map<std::string, size_t>& numbers) {
  // A worker without a domain gets one whose name nobody else can have.
  const std::string name = slots.launch_domain.empty() ? "\n" + slots.worker.str() : slots.launch_domain;
  const auto [number, fresh] = numbers.emplace(name, domains_.size());
  if (fresh) domains_.push_back(Domain{.name = name, .kept_for = {}, .hosts = {}});
  return domains_[number->second];
}

bool Placer::exhausted() const {
  const Waiting anything;
  return std::ranges::all_of(domains_, [&](const Domain& domain) { return domain.Free(anything) == 0; });
}

tl::expected<std::vector<SlotId>, Refusal> Placer::Place(const Waiting& job) {
  const auto refuse = [](Refusal::Kind kind, std::string reason) {
    return tl::unexpected<Refusal>(Refusal{kind, std::move(reason)});
  };
  const auto could_hold = [&](const Domain& domain) { return domain.Total(job) >= job.minimum_slots; };
  if (std::ranges::none_of(domains_, could_hold)) return refuse(Refusal::Kind::kUnfit, WhyUnfit(job));
  Domain* widest = WidestFor(job);
  const int free = widest == nullptr ? 0 : widest->Free(job);
  if (free >= job.minimum_slots) return Take(job, std::min(job.maximum_slots, free));
  if (widest == nullptr || widest->kept()) return refuse(Refusal::Kind::kInLine, WhyKept(job));
  widest->kept_for = job.job;
  widest->kept_bytes = job.slot_memory_bytes;
  return refuse(Refusal::Kind::kKept, fmt::format("needs {}, {}", SlotsAtOnce(job), AreFree(free)));
}

std::string Placer::WhyUnfit(const Waiting& job) const {
  if (domains_.empty()) return "no worker is connected";
  if (most_slot_memory_ < job.slot_memory_bytes) {
    return fmt::format("needs slots of {}, the largest have {}", spec::MemoryText(job.slot_memory_bytes),
                       spec::RoundedMemoryText(most_slot_memory_));
  }
  // With the workers that get nothing new.
  int most = 0;
  for (const Domain& domain : domains_) {
    most = std::max(most, domain.Total(job) + (job.spread == Spread::kAllowed ? domain.closed_total : 0));
  }
  if (job.spread == Spread::kOneWorker) {
    for (const Closed& one : closed_) most = std::max(most, one.total);
  }
  if (most < job.minimum_slots) {
    return fmt::format("needs {}, but no {} has more than {}{}", SlotsAtOnce(job),
                       job.spread == Spread::kAllowed ? "group of workers" : "worker", most, WhyNotSpread(job));
  }
  std::vector<std::string> closed;
  for (const Closed& one : closed_) closed.push_back(fmt::format("{} {}", one.worker, one.why));
  return fmt::format("needs {}, and there are too few without the workers that get nothing new: {}", SlotsAtOnce(job),
                     fmt::join(closed, ", "));
}

Placer::Domain* Placer::WidestFor(const Waiting& job) {
  Domain* widest = nullptr;
  int most = -1;
  for (Domain& domain : domains_) {
    if (domain.OpenTotal(job) < job.minimum_slots) continue;
    const int free = domain.Free(job);
    if (free <= most) continue;
    widest = &domain;
    most = free;
  }
  return widest;
}

std::vector<SlotId> Placer::Take(const Waiting& job, int slots) {
  const auto rank = [&](const Host& one) { return std::pair(job.avoids.contains(one.worker), one.free.size()); };
  const auto takes = [&](const Domain& in, const Host& one) {
    return in.IsOpen(one) && one.Offers(job.slot_memory_bytes);
  };
  // The tightest fit leaves the widest holes: one worker where it can be, else the domain with the least to spare.
  Domain* domain = nullptr;
  Host* host = nullptr;
  int least = std::numeric_limits<int>::max();
  for (Domain& candidate : domains_) {
    const int free = candidate.Free(job);
    if (free < slots) continue;
    if (host == nullptr && free < least) {
      domain = &candidate;
      least = free;
    }
    for (Host& one : candidate.hosts) {
      if (!takes(candidate, one) || std::ssize(one.free) < slots) continue;
      if (host != nullptr && rank(one) >= rank(*host)) continue;
      domain = &candidate;
      host = &one;
    }
  }
  TUTTI_CHECK(domain != nullptr && (host != nullptr || job.spread == Spread::kAllowed));
  std::vector<SlotId> gang;
  if (host != nullptr) {
    TakeFrom(*host, slots, gang);
    return gang;
  }
  std::vector<Host*> widest_first;
  for (Host& one : domain->hosts) {
    if (takes(*domain, one)) widest_first.push_back(&one);
  }
  std::ranges::stable_sort(widest_first, std::greater(), [](const Host* one) { return one->free.size(); });
  for (Host* one : widest_first) {
    const int missing = slots - static_cast<int>(gang.size());
    TakeFrom(*one, std::min(missing, static_cast<int>(one->free.size())), gang);
  }
  return gang;
}

void Placer::TakeFrom(Host& host, int slots, std::vector<SlotId>& gang) {
  for (int i = 0; i < slots; ++i) {
    gang.push_back({host.worker, host.free.back()});
    host.free.pop_back();
  }
}

std::string Placer::WhyKept(const Waiting& job) const {
  const auto free_in = [](const Domain& domain) {
    size_t free = 0;
    for (const Host& host : domain.hosts) free += host.free.size();
    return free;
  };
  const Domain* kept = nullptr;
  for (const Domain& domain : domains_) {
    if (!domain.kept() || domain.Total(job) < job.minimum_slots) continue;
    if (kept == nullptr || free_in(domain) > free_in(*kept)) kept = &domain;
  }
  TUTTI_CHECK(kept != nullptr);
  return fmt::format("needs {}; what comes free first is for {}", SlotsAtOnce(job), kept->kept_for.str());
}

}  // namespace tutti::core
