#include "cli/submission.h"

#include <chrono>

#include "cli/waiting.h"
#include "common/network/sha256.h"
#include "worker/transfer/exchange.h"
#include "worker/transfer/upload.h"

namespace tutti::cli {
namespace {

constexpr Duration kDeadline = std::chrono::seconds(60);  // of one piece, after the last of which all of it is hashed
constexpr Duration kRestart = std::chrono::minutes(5);    // of the coordinator
constexpr Duration kCopying = std::chrono::minutes(5);    // of all files into the ensemble, before it is there
// The coordinator may throw away what is a day old just between two of them.
constexpr int kMostTries = 3;

Result<void> SendFile(worker::Exchange& exchange, const std::filesystem::path& path, const std::string& hash) {
  const FileSystem& files = PosixFileSystem();
  TUTTI_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  const worker::OutgoingFile file{path, path.string(), info.size_bytes, hash};
  const worker::Destination destination{"PUT", fmt::format("/api/v1/files/{}?bytes={}", hash, info.size_bytes)};
  // It goes on where it ended; another may be sending the same.
  const auto send = [&] {
    return AskWithin(kRestart, [&] { return worker::SendPieces(exchange, files, file, destination); });
  };
  auto sent = send();
  // What another left there under this hash may have been something else: it is gone now.
  if (!sent && sent.error().code == ErrorCode::kCorrupt) sent = send();
  if (!sent) return FailBecause(std::move(sent.error()), "{} cannot be sent", path.string());
  return {};
}

Result<void> SendFiles(const Client& client, const spec::FileHashes& hashes) {
  worker::Exchange exchange(client.peer(), kDeadline);
  for (const auto& [path, hash] : hashes) TUTTI_RETURN_IF_ERROR(SendFile(exchange, path, hash));
  return {};
}

}  // namespace

Result<Client::Submission> SubmissionOf(const Experiment& experiment) {
  Client::Submission submission;
  submission.experiment = spec::ToJson(experiment.spec);
  submission.source = experiment.source;
  for (const std::filesystem::path& path : spec::FilesOf(experiment.spec)) {
    TUTTI_ASSIGN_OR_RETURN(submission.files[path], network::Sha256OfFile(PosixFileSystem(), path));
  }
  return submission;
}

Result<Client::Submitted> SubmitWithFiles(const Client& client, const Client::Submission& submission) {
  const Client patient(client.peer(), kCopying);
  for (int tries = 1;; ++tries) {
    auto submitted = (submission.files.empty() ? client : patient).Submit(submission);
    const bool lacks_files = !submitted && submitted.error().code == ErrorCode::kNotFound;
    if (!lacks_files || tries == kMostTries) return submitted;
    TUTTI_RETURN_IF_ERROR(SendFiles(client, submission.files));
  }
}

}  // namespace tutti::cli
