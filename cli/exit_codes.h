// What `tutti` ends with (docs/command-line.md).
#pragma once

#include "common/result.h"

namespace tutti::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;       // no answer
inline constexpr int kExitUsage = 2;        // wrong usage or experiment
inline constexpr int kExitUnreachable = 3;  // no coordinator answers
inline constexpr int kExitDenied = 4;
inline constexpr int kExitIncomplete = 5;  // answered with fewer members than asked for
inline constexpr int kExitNotFound = 6;
inline constexpr int kExitInternal = 70;
inline constexpr int kExitTimeout = 124;
inline constexpr int kExitSignal = 128;  // plus the signal: 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM and SIGUSR1

int ExitCodeOf(ErrorCode code);

// Says what went wrong on standard error, and returns the exit code that it has.
int EndWith(const Error& error);

}  // namespace tutti::cli
