// Commands that people are told to type next. Pure.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace tutti::cli {

// What the command in hand was given on its command line: without it the next one would look elsewhere, or lend other
// slots.
struct NextCommand {
  std::optional<std::filesystem::path> home;
  std::optional<std::string> server;
  std::optional<std::string> token_file;
  std::optional<std::string> fingerprint;
  std::optional<int> slots;
  std::optional<int> threads_per_slot;
  std::optional<int> slots_per_gpu;
  std::optional<std::string> device;
  bool as_ranks = false;  // a launcher has started it, whose own words are not known

  std::string Resume(const std::string& id) const;  // "tutti resume small-1 --home /scratch/x --slots 2"
  std::string Watch(const std::string& id) const;
  std::string Submit(const std::string& file) const;

 private:
  std::string WithHome(std::string command) const;
};

// As one word of a POSIX shell, quoted where it would be none.
std::string QuoteForShell(const std::string& word);

}  // namespace tutti::cli
