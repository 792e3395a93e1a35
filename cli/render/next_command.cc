#include "cli/render/next_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace tutti::cli {
namespace {

// Bytes beyond ASCII are letters of some language.
bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 || std::string_view("/._-+,:=@%").find(c) != std::string_view::npos;
}

}  // namespace

std::string QuoteForShell(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), IsPlain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? R"('\'')" : std::string(1, c);
  return quoted + "'";
}

std::string NextCommand::WithHome(std::string command) const {
  if (server) {
    command += fmt::format(" --server {}", QuoteForShell(*server));
    if (token_file) command += fmt::format(" --token-file {}", QuoteForShell(*token_file));
    return fingerprint ? fmt::format("{} --fingerprint {}", command, *fingerprint) : command;
  }
  return home ? fmt::format("{} --home {}", command, QuoteForShell(home->string())) : command;
}

std::string NextCommand::Resume(const std::string& id) const {
  if (as_ranks) return "the same command again";
  std::string command = WithHome("tutti resume " + id);
  if (slots) command += fmt::format(" --slots {}", *slots);
  if (threads_per_slot) command += fmt::format(" --threads-per-slot {}", *threads_per_slot);
  if (slots_per_gpu) command += fmt::format(" --slots-per-gpu {}", *slots_per_gpu);
  if (device) command += fmt::format(" --device {}", *device);
  return command;
}

std::string NextCommand::Watch(const std::string& id) const { return WithHome("tutti watch " + id); }

std::string NextCommand::Submit(const std::string& file) const {
  return WithHome("tutti submit " + QuoteForShell(file));
}

}  // namespace tutti::cli
