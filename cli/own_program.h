// Where this very program lies, for what is to start it elsewhere.
#pragma once

#include <filesystem>

#include "common/result.h"

namespace tutti::cli {

// Absolute, and with links followed. kIo.
Result<std::filesystem::path> OwnProgram();

}  // namespace tutti::cli
