// The one time that the ranks of a launch speak through MPI: at the start, to find each other.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/ranks/outer_launch.h"
#include "common/clock.h"
#include "common/result.h"

namespace tutti::cli {

// TUTTI_MPI_MODULE, or lib/tutti/tutti-mpi.so beside the folder of the running program.
std::filesystem::path MpiModuleFile();

// TUTTI_MEETING_TIMEOUT in seconds, five minutes by default: from the first rank's start to the last one's farewell.
// Rank 0 may have to read a home on a slow file system meanwhile. kInvalid.
Result<Duration> MeetingDeadline(const worker::Environment& environment);

// Every call but the destructor waits for all other ranks, which call the same in the same order, on the thread that
// joined. MPI knows no deadline: where one passes, or a rank never comes, the process says so and ends with 124. Until
// Leave() nothing may be forked.
class Meeting {
 public:
  // MPI_Init. kNotFound: no library that speaks MPI. kInvalid: it speaks with another MPI than the launcher's.
  // kUnreachable: MPI failed. All say what to do.
  static Result<Meeting> Join(const OuterLaunch& launch, Duration deadline);
  Meeting(Meeting&&) noexcept;
  Meeting& operator=(Meeting&&) = delete;
  ~Meeting();  // waits for nobody

  int rank() const;
  int size() const;
  // What each has said, in the order of ranks. kUnreachable.
  Result<std::vector<std::string>> Exchange(const std::string& own);
  // From rank 0, which gives it, to all. kUnreachable.
  Result<std::string> Broadcast(const std::string& text);
  // MPI_Finalize.
  Result<void> Leave();

 private:
  struct State;
  explicit Meeting(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tutti::cli
