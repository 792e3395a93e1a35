#include "cli/own_program.h"

namespace tutti::cli {

Result<std::filesystem::path> OwnProgram() {
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail(ErrorCode::kIo, "cannot find out where this program lies: {}", error.message());
  return program;
}

}  // namespace tutti::cli
