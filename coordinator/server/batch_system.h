// What gives out the nodes of a cluster, as nodes on demand (node_keeper.h) need it.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace tutti::server {

struct NodeRequest {
  std::string name;  // of the job, and the first part of its workers' names: NAME-0, NAME-1, ...
  int nodes = 1;     // each runs one worker of this home
  Duration walltime{};
};

struct BatchJob {
  std::string name;
  std::string id;  // as the batch system calls it
  bool running = false;
  int nodes = 1;
  Duration walltime{};
  Duration left{};  // of it
};

// Each call asks other programs and gives up after a deadline of its own. One is made after the other.
class BatchSystem {
 public:
  virtual ~BatchSystem() = default;

  // Its user's jobs whose names begin so, and that have not ended. Errors: kUnreachable, kTimeout; kInvalid where it
  // speaks another language.
  virtual Result<std::vector<BatchJob>> List(const std::string& prefix) = 0;
  // On return List() knows it. An error is its refusal in its own words; after kTimeout nobody knows, and List() tells.
  virtual Result<void> Submit(const NodeRequest& request) = 0;
  // No error when it has ended already.
  virtual Result<void> Cancel(const BatchJob& job) = 0;
};

}  // namespace tutti::server
