// What a user names as the input of a command: a file, or what stands for one (`<(…)`, /dev/stdin, a named pipe).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/result.h"

namespace tutti {

// Long enough for a program at the other end of a pipe to think; nobody writes at all to a pipe that is silent for
// longer.
inline constexpr std::chrono::seconds kInputPatience{30};

// Its bytes up to its end, at most `most_bytes` of them. A pipe can be read once only, and is waited for no longer than
// `patience` whenever it is silent.
//
// Errors, each naming the path: kNotFound, kDenied, kIo; kInvalid for a folder; kTimeout for a silent pipe.
Result<std::string> ReadInput(const std::filesystem::path& path, uint64_t most_bytes,
                              std::chrono::milliseconds patience = kInputPatience);

}  // namespace tutti
