// How many attempts this coordinator started, and how many failed. Pure.
#pragma once

#include <cstdint>
#include <set>

#include "common/ids.h"
#include "common/records.h"

namespace tutti::server {

class AttemptTally {
 public:
  // One that is there at the start.
  void Know(const AttemptRecord& attempt);
  // One that was committed, each time.
  void Note(const AttemptRecord& attempt);

  int64_t started() const { return started_; }
  int64_t failed() const { return failed_; }  // ended, neither done nor stopped on request

 private:
  std::set<AttemptId> open_;
  int64_t started_ = 0;
  int64_t failed_ = 0;
};

}  // namespace tutti::server
