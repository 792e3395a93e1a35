// Who answers for the home, and what time it is there.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "cli/client.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/home_trial.h"
#include "cli/doctor/judgements.h"
#include "common/file_system.h"

namespace tutti::cli {
namespace {

constexpr auto kAnswerDeadline = std::chrono::seconds(5);

struct Heard {
  std::string who;
  std::string version;
  TimePoint asked;
  TimePoint answered;
  TimePoint time;  // there
};

TimePoint Now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

// "2026-03-01T12:00:00.250Z"
Result<TimePoint> ParseTime(const std::string& text) {
  std::tm parts = {};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return Fail(ErrorCode::kInvalid, "'{}' is no time", text);
  TimePoint time(std::chrono::seconds(::timegm(&parts)));
  if (*rest == '.') time += Duration(std::atoi(std::string(rest + 1).substr(0, 3).c_str()));
  return time;
}

Result<Heard> AskCoordinator(const Surroundings& around) {
  TUTTI_ASSIGN_OR_RETURN(const network::Peer peer, around.coordinator.Find());
  Heard heard;
  heard.who = network::NameOf(peer);
  heard.asked = Now();
  TUTTI_ASSIGN_OR_RETURN(const Client::Health health, Client(peer, kAnswerDeadline).AskHealth());
  heard.answered = Now();
  heard.version = health.version;
  TUTTI_ASSIGN_OR_RETURN(heard.time, ParseTime(health.time));
  return heard;
}

// What the file server calls now, from a file that is made for it.
Result<TimePoint> TimeOfDisk(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / fmt::format(".tutti-doctor-clock-{}", ::getpid());
  FileSystem& files = PosixFileSystem();
  const Result<void> written = WriteSynced(files, file, [](WritableFile& out) { return out.Append({}); });
  struct stat status = {};
  const bool known = written && ::stat(file.c_str(), &status) == 0;
  static_cast<void>(files.Remove(file));
  TUTTI_RETURN_IF_ERROR(written);
  if (!known) return FailErrno(errno, file.string());
  return TimePoint(std::chrono::seconds(status.st_mtim.tv_sec) + Duration(status.st_mtim.tv_nsec / 1'000'000));
}

}  // namespace

Finding CheckCoordinator(const Surroundings& around) {
  const auto heard = AskCoordinator(around);
  if (heard && heard->version == TUTTI_VERSION) return Ok("coordinator", fmt::format("{} answers", heard->who));
  if (heard) {
    return Problem("coordinator",
                   fmt::format("{} is of release {}, this is {}", heard->who, heard->version, TUTTI_VERSION),
                   "install the same release on all machines");
  }
  const std::string found = heard.error().Text();
  if (!around.home.empty() && heard.error().code == ErrorCode::kUnreachable) {
    return Ok("coordinator", "none serves this home; `tutti run` needs none");
  }
  return Problem("coordinator", found,
                 "see that it runs and can be reached, and that --server, token and fingerprint are its own");
}

Finding CheckClock(const Surroundings& around) {
  if (const auto heard = AskCoordinator(around)) {
    const Duration travel = (heard->answered - heard->asked) / 2;
    return JudgeClock(heard->time - heard->asked - travel, travel, "the coordinator");
  }
  if (around.home.empty()) return Ok("clock", "not compared: no coordinator answers");
  const TimePoint before = Now();
  const auto there = TimeOfDisk(NearestThatIsThere(around.home));
  if (!there) return Ok("clock", "not compared: " + there.error().Text());
  const Duration travel = (Now() - before) / 2;
  // File systems cut times to as much as two seconds.
  return JudgeClock(*there - before - travel, travel + std::chrono::seconds(2), "the home's disk");
}

}  // namespace tutti::cli
