// What the ranks of a launch tell each other when they meet. Pure: text that came from another program, perhaps of
// another release, is read with care.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "worker/agent/shares.h"
#include "worker/launch/launcher.h"

namespace tutti::cli {

inline constexpr int kMeetingVersion = 1;

// First, from each to all: where it is, and what it was given there.
struct Arrival {
  std::string host;     // as people call the machine
  std::string machine;  // the same for those who share its CPUs
  std::string network;  // the same for those who share its loopback
  worker::MachinePart part;
  bool operator==(const Arrival&) const = default;
};

// Then, from each to all: what it lends.
struct Offer {
  std::string host;
  int slots = 0;
  uint64_t slot_memory_bytes = 0;      // 0: unknown
  std::optional<std::string> refusal;  // why it lends nothing
  bool operator==(const Offer&) const = default;
};

// Last, from rank 0: where its coordinator is, and how it is known.
struct Invitation {
  std::vector<std::string> hosts;  // addresses and names of its machine, the likeliest first
  uint16_t port = 0;
  std::string token;
  std::string fingerprint;
  worker::Launcher launcher = worker::Launcher::kLocal;
  std::string launch_domain;  // empty: that of each machine
  bool operator==(const Invitation&) const = default;
};
// Or that there is nothing to do, and what all end with; rank 0 has said why.
struct Dismissal {
  int exit_code = 0;
  bool operator==(const Dismissal&) const = default;
};
using Word = std::variant<Invitation, Dismissal>;

std::string Encode(const Arrival& arrival);
std::string Encode(const Offer& offer);
std::string Encode(const Word& word);

// kInvalid: not JSON, of another version, or something is missing in it or makes no sense.
Result<Arrival> DecodeArrival(std::string_view text);
Result<Offer> DecodeOffer(std::string_view text);
Result<Word> DecodeWord(std::string_view text);

}  // namespace tutti::cli
