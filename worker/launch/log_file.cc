#include "worker/launch/log_file.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace tutti::worker {
namespace {

constexpr size_t kTailBytes = 4096;
constexpr int kTailLines = 20;

}  // namespace

Result<LogFile> LogFile::Open(FileSystem& files, const std::filesystem::path& path, uint64_t limit_bytes) {
  TUTTI_ASSIGN_OR_RETURN(auto file, files.OpenForAppend(path));
  return LogFile(std::move(file), limit_bytes);
}

void LogFile::Append(std::string_view text) {
  Remember(text);
  if (!file_) return;
  const std::string_view fits = text.substr(0, std::min<uint64_t>(text.size(), remaining_bytes_));
  Write(fits);
  remaining_bytes_ -= fits.size();
  if (fits.size() == text.size() || !file_) return;
  Write("\n[tutti: the log is full; what is printed from here on is dropped]\n");
  file_.reset();
}

void LogFile::Write(std::string_view text) {
  const auto written = file_->Append(std::as_bytes(std::span(text)));
  if (written) return;
  spdlog::warn("A trainer's log ends early: {}", written.error().Text());
  file_.reset();
}

void LogFile::Remember(std::string_view text) {
  tail_.append(text.substr(text.size() - std::min(text.size(), kTailBytes)));
  if (tail_.size() > kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
}

std::string LogFile::LastLines() const {
  size_t start = tail_.size();
  for (int lines = 0; lines < kTailLines && start > 0; ++lines) {
    const size_t newline = start >= 2 ? tail_.rfind('\n', start - 2) : std::string::npos;
    start = newline == std::string::npos ? 0 : newline + 1;
  }
  // A full tail begins somewhere within a line.
  if (start == 0 && tail_.size() == kTailBytes) start = tail_.find('\n') + 1;
  return tail_.substr(start);
}

}  // namespace tutti::worker
