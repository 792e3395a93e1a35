#include "worker/agent/trainer_build.h"

#include <algorithm>

#include "common/json.h"
#include "worker/launch/ask_program.h"
#include "worker/launch/environment.h"

namespace tutti::worker {
namespace {

// Libraries that are loaded with it may have said something before.
std::string_view LastLine(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const size_t newline = text.rfind('\n');
  return newline == std::string_view::npos ? text : text.substr(newline + 1);
}

Result<TrainerBuild> Read(std::string_view line) try {
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
  TrainerBuild build;
  build.version = json.at("version").get<std::string>();
  build.libtorch = json.at("libtorch").get<std::string>();
  if (!json.at("cuda").is_null()) build.cuda = json.at("cuda").get<int>();
  build.devices = json.at("devices").get<std::vector<std::string>>();
  return build;
} catch (const Json::exception& error) {
  return Fail(ErrorCode::kInvalid, "{}", error.what());
}

}  // namespace

bool TrainerBuild::TrainsOn(std::string_view device) const {
  return std::ranges::find(devices, device) != devices.end();
}

Result<TrainerBuild> AskTrainer(const std::filesystem::path& trainer, Duration deadline) {
  const Environment environment = WithoutOuterLaunch(CurrentEnvironment());
  TUTTI_ASSIGN_OR_RETURN(const ProgramAnswer answer, AskProgram({trainer.string(), "--build"}, environment, deadline));
  Result<TrainerBuild> build = Read(LastLine(answer.output));
  if (answer.exit_code == 0 && build) return build;
  return Fail(ErrorCode::kInvalid,
              "{} does not say what it was built for, as a trainer of this release does (exit code {}): {}",
              trainer.string(), answer.exit_code, LastLine(answer.output));
}

std::string FormatCuda(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace tutti::worker
