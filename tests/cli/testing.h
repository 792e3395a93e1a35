// Runs the program itself.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace tutti::cli {

struct Outcome {
  int exit_code = 0;
  std::string output;  // standard output and standard error, as the command sends them
};

// `arguments` is shell text after the program's name.
inline Outcome RunProgram(const std::string& arguments) {
  FILE* pipe = popen((std::string(TUTTI_PROGRAM) + " " + arguments).c_str(), "r");
  if (pipe == nullptr) return {-1, "cannot start a shell"};
  Outcome outcome;
  std::array<char, 4096> buffer{};
  while (const size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    outcome.output.append(buffer.data(), size);
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tutti-cli-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path Write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline constexpr const char* kExperiment = R"(version: 1
name: small
data: {source: idx, path: data, validation: 10}
training: {epochs: 2, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}
members: [{model: lenet5, seeds: 2}]
)";

}  // namespace tutti::cli
