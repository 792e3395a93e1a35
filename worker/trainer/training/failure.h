// How an attempt fails: with an exit code that says whether to try again, and a sentence.
#pragma once

#include <functional>
#include <string>

#include "common/result.h"

namespace tutti::trainer {

struct Failure {
  int exit_code = 0;  // protocol::kExit...
  std::string text;
};

// kInvalid: the task is wrong (64). kCorrupt: the data are (65). Files and disks: 74. All else is our fault (70).
int ExitCodeOf(ErrorCode code);

// What `work` returns, its error with its exit code. Exceptions end here: out of memory is 77, others 70.
tl::expected<void, Failure> Guarded(const std::function<Result<void>()>& work);

// An error of OpenImages: what is wrong with the source is one of the data, which no retry mends; what disks, locks and
// the cache do stays as it is.
Error AsBadData(Error error);
// An error of reading a file of the task: what is missing or wrong in it is the task's fault, which no retry mends;
// what the disk does stays as it is.
Error AsBadTask(Error error);
// The same error with another code.
Error Recoded(Error error, ErrorCode code);

}  // namespace tutti::trainer
