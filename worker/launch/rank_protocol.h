// What a rank and the worker of its node say to each other, a JSON line each: the rank's hello, the worker's orders,
// the rank's start; then silence. The connection stays open as the rank's lifeline; either end's death closes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

inline constexpr int kRankProtocolVersion = 1;
inline constexpr size_t kLongestRankMessage = size_t{1} << 16;  // bytes of a line

struct RankHello {
  AttemptId attempt;
  int rank = 0;
  bool operator==(const RankHello&) const = default;
};

// What the rank becomes.
struct RankOrders {
  std::vector<std::string> arguments;  // of the trainer, its path first
  Environment environment;             // to be set; the others stay as the launcher gave them
  std::vector<int> cpus;               // to stay on; empty: any
  bool operator==(const RankOrders&) const = default;
};

struct RankStarted {
  int group = 0;  // of processes, the trainer's: its process id
  bool operator==(const RankStarted&) const = default;
};

// Lines without their end.
std::string Encode(const RankHello& hello);
std::string Encode(const RankOrders& orders);
std::string Encode(const RankStarted& started);
std::string EncodeRefusal(const std::string& reason);

// kInvalid: not JSON, another version, or a key missing. kDenied: the refusal's reason.
Result<RankHello> DecodeRankHello(std::string_view line);
Result<RankOrders> DecodeRankOrders(std::string_view line);
Result<RankStarted> DecodeRankStarted(std::string_view line);

}  // namespace tutti::worker
