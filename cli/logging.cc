#include "cli/logging.h"

#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace tutti::cli {
namespace {

constexpr size_t kLogBytes = size_t{10} << 20;
constexpr size_t kOlderLogs = 1;

// Takes sinks while other threads log.
const std::shared_ptr<spdlog::sinks::dist_sink_mt>& Sinks() {
  static const auto sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  return sinks;
}

}  // namespace

void StartLog() {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("tutti", Sinks()));
  spdlog::flush_on(spdlog::level::info);
}

void LogToHome(const std::filesystem::path& home) {
  try {
    const std::string file = (home / "coordinator.log").string();
    Sinks()->add_sink(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file, kLogBytes, kOlderLogs));
  } catch (const spdlog::spdlog_ex&) {
    return;
  }
}

}  // namespace tutti::cli
