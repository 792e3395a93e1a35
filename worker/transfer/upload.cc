#include "worker/transfer/upload.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "common/hash.h"
#include "common/json.h"
#include "storage/checkpoints/checkpoint_folder.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;

// Of one file in one try: a coordinator that asks for another place, and never for a later one, is given up.
constexpr int kMostTurns = 5;

struct Received {
  uint64_t bytes = 0;
  bool complete = false;
};

Result<Received> ReadReceived(const std::string& text) {
  const auto json = ParseJson(text);
  if (!json || !json->is_object()) return Fail(ErrorCode::kInvalid, "the coordinator's answer is none: {}", text);
  const auto bytes = json->find("bytes");
  const auto complete = json->find("complete");
  if (bytes == json->end() || !bytes->is_number_unsigned() || complete == json->end() || !complete->is_boolean()) {
    return Fail(ErrorCode::kInvalid, "the coordinator's answer does not say how much there is: {}", text);
  }
  return Received{bytes->get<uint64_t>(), complete->get<bool>()};
}

// Trying again does not cure the own disk: whoever asks again must not take it for the coordinator's.
template <typename T>
Result<T> OfOwnDisk(Result<T> result) {
  if (result) return result;
  return tl::unexpected<Error>(Error{ErrorCode::kInternal, result.error().Text(), nullptr});
}

class Sending {
 public:
  Sending(Exchange& exchange, const FileSystem& files, const OutgoingFile& file, const Destination& destination)
      : exchange_(exchange), files_(files), file_(file), destination_(destination) {}

  Result<void> Run() {
    uint64_t reached = 0;
    for (int turn = 0; turn < kMostTurns; ++turn) {
      TUTTI_ASSIGN_OR_RETURN(const Received there, AskHowMuch());
      if (there.complete) return {};
      if (there.bytes > reached) {  // another brings it on, too
        reached = there.bytes;
        turn = 0;
      }
      const auto sent = SendFrom(there.bytes);
      // Two connections may have carried the same: it is asked again where to go on.
      if (!sent && sent.error().code == ErrorCode::kConflict) continue;
      return sent;
    }
    return Fail(ErrorCode::kConflict, "the coordinator does not take {}", file_.name);
  }

 private:
  Result<Received> AskHowMuch() {
    TUTTI_ASSIGN_OR_RETURN(const std::string answer, exchange_.Ask({"GET", destination_.target}));
    return ReadReceived(answer);
  }

  Result<void> SendFrom(uint64_t offset) {
    while (true) {
      const uint64_t length = std::min(kUploadPiece, file_.bytes - std::min(offset, file_.bytes));
      TUTTI_ASSIGN_OR_RETURN(std::string piece, OfOwnDisk(files_.ReadRange(file_.path, offset, length)));
      if (piece.size() != length) {
        return Fail(ErrorCode::kInternal, "{} became shorter while it was sent", file_.path.string());
      }
      TUTTI_ASSIGN_OR_RETURN(
          const std::string answer,
          exchange_.Ask(
              {destination_.method, fmt::format("{}&offset={}", destination_.target, offset), std::move(piece)}));
      TUTTI_ASSIGN_OR_RETURN(const Received there, ReadReceived(answer));
      if (there.complete) return {};
      if (there.bytes <= offset) {
        return Fail(ErrorCode::kInvalid, "the coordinator took nothing of {} at byte {}", file_.name, offset);
      }
      offset = there.bytes;
    }
  }

  Exchange& exchange_;
  const FileSystem& files_;
  const OutgoingFile& file_;
  const Destination& destination_;
};

Result<std::string> NameWithin(const protocol::Task& task, const fs::path& file) {
  const fs::path name = (task.ensemble_folder / file).lexically_normal().lexically_relative(task.folder);
  if (!name.empty() && *name.begin() != ".." && name != ".") return name.string();
  return Fail(ErrorCode::kInvalid, "{} is not in the folder of {}", file.string(), task.attempt.str());
}

Result<std::vector<OutgoingFile>> CheckpointFiles(const FileSystem& files, const protocol::Task& task,
                                                  const protocol::CheckpointWritten& written) {
  TUTTI_ASSIGN_OR_RETURN(const std::string folder, NameWithin(task, written.folder));
  const std::string manifest_name = folder + "/" + std::string(storage::kManifestName);
  TUTTI_ASSIGN_OR_RETURN(const auto found,
                         storage::ReadCheckpointFolder(files, task.folder / folder, task.attempt, written.step));
  std::vector<OutgoingFile> outgoing;
  for (const storage::FileEntry& entry : found.manifest.files) {
    outgoing.push_back({found.folder / entry.name, folder + "/" + entry.name, entry.size_bytes, entry.hash});
  }
  TUTTI_ASSIGN_OR_RETURN(OutgoingFile manifest, WholeFile(files, task.folder, manifest_name));
  outgoing.push_back(std::move(manifest));
  return outgoing;
}

Result<std::vector<OutgoingFile>> OneFile(const FileSystem& files, const protocol::Task& task,
                                          const std::string& file) {
  TUTTI_ASSIGN_OR_RETURN(const std::string name, NameWithin(task, file));
  TUTTI_ASSIGN_OR_RETURN(OutgoingFile whole, WholeFile(files, task.folder, name));
  return std::vector<OutgoingFile>{std::move(whole)};
}

}  // namespace

Result<void> SendFile(Exchange& exchange, const Sender& sender, const FileSystem& files, const AttemptId& attempt,
                      const OutgoingFile& file) {
  Destination uploads{"POST", fmt::format("{}&file={}&bytes={}", sender.Target(attempt, "uploads"),
                                          network::EncodeUrlPart(file.name), file.bytes)};
  if (!file.hash.empty()) uploads.target += "&hash=" + file.hash;
  return SendPieces(exchange, files, file, uploads);
}

Result<void> SendPieces(Exchange& exchange, const FileSystem& files, const OutgoingFile& file,
                        const Destination& destination) {
  return Sending(exchange, files, file, destination).Run();
}

Result<OutgoingFile> WholeFile(const FileSystem& files, const fs::path& attempt_folder, const std::string& name) {
  OutgoingFile file{attempt_folder / name, name, 0, ""};
  TUTTI_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(file.path));
  file.bytes = info.size_bytes;
  TUTTI_ASSIGN_OR_RETURN(file.hash, storage::HashFile(files, file.path, file.bytes));
  return file;
}

bool NamesFiles(const protocol::TrainerEvent& event) {
  return std::holds_alternative<protocol::CheckpointWritten>(event) ||
         std::holds_alternative<protocol::PredictionsWritten>(event) ||
         std::holds_alternative<protocol::Inspected>(event);
}

Result<std::vector<OutgoingFile>> FilesOf(const FileSystem& files, const protocol::Task& task,
                                          const protocol::TrainerEvent& event) {
  if (const auto* written = std::get_if<protocol::CheckpointWritten>(&event)) {
    return CheckpointFiles(files, task, *written);
  }
  if (const auto* written = std::get_if<protocol::PredictionsWritten>(&event)) {
    return OneFile(files, task, written->file);
  }
  if (const auto* inspected = std::get_if<protocol::Inspected>(&event)) return OneFile(files, task, inspected->file);
  return std::vector<OutgoingFile>();
}

}  // namespace tutti::worker
