// How long somebody who asks a coordinator again and again goes on doing so. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "common/clock.h"
#include "common/result.h"

namespace tutti::cli {

// One that does not answer may be busy, or ending: it is borne with for a while. Any other error is an answer.
class Patience {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Patience(Duration limit) : limit_(limit) {}

  void OnAnswer() { silent_since_.reset(); }
  // The error to end with, when there is nothing left to wait for. `now` rises.
  std::optional<Error> OnError(const Error& error, Time now);

 private:
  Duration limit_;
  std::optional<Time> silent_since_;
};

}  // namespace tutti::cli
