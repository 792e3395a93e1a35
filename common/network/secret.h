// Tokens: what a peer over TCP must know. They lie in files that only their user may read, or in the environment;
// never in arguments, logs or messages of errors.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/file_system.h"
#include "common/result.h"

namespace tutti::network {

// 256 random bits of the kernel's as 64 hexadecimal digits.
std::string MakeSecret();

// Takes as long wherever the two differ.
bool SameSecret(std::string_view one, std::string_view other);

// What a small file holds. kDenied when others than its user may open it, or it is another's; kInvalid for what is no
// file or longer than 4 KiB; kNotFound, kIo.
Result<std::string> ReadPrivateFile(const std::filesystem::path& file);

// The secret in `file`, without the white space around it. Errors: those of ReadPrivateFile; kInvalid when it
// holds none.
Result<std::string> ReadSecret(const std::filesystem::path& file);

// That of `file`; where there is none, a new one, written so that only its user may read it. Errors: those of
// ReadSecret, kNoSpace, kIo.
Result<std::string> ReadOrMakeSecret(const std::filesystem::path& file);

}  // namespace tutti::network
