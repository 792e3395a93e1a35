#include "storage/fsck/attempt_history.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <system_error>
#include <utility>

#include "common/protocol/trainer_events.h"
#include "storage/checkpoints/adoption.h"
#include "storage/checkpoints/predictions.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEventsName = "events.jsonl";
constexpr std::string_view kTensorExtension = ".safetensors";

// Takes in what the trainer said, line by line.
class EventReader {
 public:
  explicit EventReader(AttemptHistory& history) : history_(history) {}

  void operator()(const protocol::Started& event) {
    if (event.step > 0) history_.attempt.resumed_from_step = event.step;
  }
  void operator()(const protocol::Progress&) {}
  void operator()(const protocol::EpochDone& event) {
    history_.epochs.push_back({.attempt = history_.attempt.id,
                               .epoch = event.epoch,
                               .step = event.step,
                               .train_loss = event.train_loss,
                               .validation_loss = event.validation_loss,
                               .validation_accuracy = event.validation_accuracy,
                               .learning_rate = event.learning_rate,
                               .images_per_second = event.images_per_second,
                               .train_seconds = event.train_seconds});
  }
  void operator()(const protocol::CheckpointWritten&) {}  // the folders themselves are asked
  void operator()(const protocol::PredictionsWritten& event) {
    history_.predictions.push_back({.attempt = history_.attempt.id,
                                    .predictor = event.predictor,
                                    .split = event.split,
                                    .file = event.file,
                                    .samples = event.samples,
                                    .step = event.step,
                                    .hash = event.hash});
  }
  void operator()(const protocol::Inspected& event) { history_.data_hash = event.data_hash; }
  void operator()(const protocol::Failed& event) { history_.attempt.error = event.error; }
  void operator()(const protocol::Finished& event) {
    history_.finished_at = event.step;
    history_.attempt.exit_code = protocol::kExitFinished;
  }
  void operator()(const protocol::StoppedEarly&) { history_.attempt.exit_code = protocol::kExitStopped; }

 private:
  AttemptHistory& history_;
};

void TakeLine(std::string_view line, AttemptHistory& history) {
  const auto json = ParseJson(line);
  if (!json) return;
  const auto event = protocol::TrainerEventFromJson(*json);
  if (event) std::visit(EventReader(history), *event);
}

// Whole lines alone: the last one may have been cut by the crash, and is not counted as acknowledged.
Result<void> TakeEvents(const FileSystem& files, const fs::path& path, AttemptHistory& history) {
  auto text = files.Read(path);
  if (!text && text.error().code == ErrorCode::kNotFound) return {};
  if (!text) return tl::unexpected(std::move(text.error()));
  size_t begin = 0;
  for (size_t end = text->find('\n'); end != std::string::npos; end = text->find('\n', begin)) {
    TakeLine(std::string_view(*text).substr(begin, end - begin), history);
    begin = end + 1;
  }
  history.attempt.acknowledged = static_cast<int64_t>(begin);
  return {};
}

Result<void> TakeCheckpoints(const CheckpointStore& store, AttemptHistory& history) {
  TUTTI_ASSIGN_OR_RETURN(AttemptContents contents, store.Inspect(history.attempt.id));
  TUTTI_RETURN_IF_ERROR(store.SyncFolders(history.attempt.id));
  history.quarantined = std::move(contents.quarantined);
  for (const FoundCheckpoint& checkpoint : contents.checkpoints) {
    auto verified = store.Verify(checkpoint);
    if (!verified && verified.error().code != ErrorCode::kCorrupt) return verified;
    if (verified) {
      history.checkpoints.push_back(RecordOf(checkpoint));
    } else {
      history.quarantined.push_back({checkpoint.folder, verified.error().Text()});
    }
  }
  return {};
}

std::optional<Split> SplitOfFile(const std::string& name) {
  if (!name.ends_with(kTensorExtension)) return {};
  const auto split = ParseName<Split>(name.substr(0, name.size() - kTensorExtension.size()));
  return split ? std::optional(*split) : std::nullopt;
}

// Of a file that no event tells about: the model that made it was most likely the newest.
int64_t NewestStep(const AttemptHistory& history) {
  return history.checkpoints.empty() ? 0 : history.checkpoints.back().step;
}

bool IsAnnounced(const AttemptHistory& history, const std::string& predictor, Split split) {
  return std::any_of(history.predictions.begin(), history.predictions.end(),
                     [&](const PredictionRecord& row) { return row.predictor == predictor && row.split == split; });
}

Result<std::vector<FileInfo>> ListIfThere(const FileSystem& files, const fs::path& folder) {
  auto entries = files.List(folder);
  if (!entries && entries.error().code == ErrorCode::kNotFound) return std::vector<FileInfo>{};
  return entries;
}

Result<void> AddUnannouncedPredictions(const FileSystem& files, const fs::path& ensemble_folder,
                                       AttemptHistory& history) {
  const fs::path relative = AttemptFolder(history.attempt.id) / "predictions";
  TUTTI_ASSIGN_OR_RETURN(const auto predictors, ListIfThere(files, ensemble_folder / relative));
  for (const FileInfo& predictor : predictors) {
    if (!predictor.is_directory) continue;
    TUTTI_ASSIGN_OR_RETURN(const auto entries, ListIfThere(files, ensemble_folder / relative / predictor.name));
    for (const FileInfo& entry : entries) {
      const auto split = SplitOfFile(entry.name);
      if (!split || IsAnnounced(history, predictor.name, *split)) continue;
      const auto samples = CountSamples(files, ensemble_folder / relative / predictor.name / entry.name);
      history.predictions.push_back({.attempt = history.attempt.id,
                                     .predictor = predictor.name,
                                     .split = *split,
                                     .file = (relative / predictor.name / entry.name).string(),
                                     .samples = samples.value_or(0),
                                     .step = NewestStep(history)});
    }
  }
  return {};
}

// The newest of each predictor and split, by key.
std::vector<PredictionRecord> NewestOf(std::vector<PredictionRecord> rows) {
  std::map<std::pair<std::string, std::string_view>, PredictionRecord> newest;
  for (PredictionRecord& row : rows) {
    const std::pair key(row.predictor, Name(row.split));
    newest.insert_or_assign(key, std::move(row));
  }
  std::vector<PredictionRecord> chosen;
  for (auto& [key, row] : newest) chosen.push_back(std::move(row));
  return chosen;
}

Result<void> SetLostApart(const FileSystem& files, const fs::path& ensemble_folder, AttemptHistory& history) {
  for (PredictionRecord& row : NewestOf(std::exchange(history.predictions, {}))) {
    auto whole = ReadPredictions(files, ensemble_folder / row.file, row);
    if (whole) {
      history.predictions.push_back(std::move(row));
      continue;
    }
    const ErrorCode code = whole.error().code;
    if (code != ErrorCode::kNotFound && code != ErrorCode::kCorrupt) return tl::unexpected(std::move(whole.error()));
    history.lost.push_back({std::move(row), std::move(whole.error())});
  }
  return {};
}

// The names of the predictions' files and folders survive a power cut.
Result<void> SyncPredictions(FileSystem& files, const fs::path& ensemble_folder,
                             const std::vector<PredictionRecord>& rows) {
  for (const PredictionRecord& row : rows) {
    const fs::path folder = (ensemble_folder / row.file).parent_path();
    TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder));
    TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder.parent_path()));
  }
  return {};
}

}  // namespace

std::optional<TimePoint> WrittenAt(const fs::path& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return {};
  return std::chrono::floor<Duration>(std::chrono::file_clock::to_sys(time));
}

Result<AttemptHistory> ReadAttempt(FileSystem& files, const fs::path& ensemble_folder, const AttemptId& id) {
  const fs::path folder = ensemble_folder / AttemptFolder(id);
  AttemptHistory history;
  history.attempt.id = id;
  history.attempt.state = AttemptState::kEnded;
  history.attempt.granted_at = WrittenAt(folder / kTaskName).value_or(TimePoint());
  history.attempt.ended_at = WrittenAt(folder / kEventsName);
  TUTTI_RETURN_IF_ERROR(TakeCheckpoints(CheckpointStore(files, ensemble_folder), history));
  TUTTI_RETURN_IF_ERROR(TakeEvents(files, folder / kEventsName, history));
  TUTTI_RETURN_IF_ERROR(AddUnannouncedPredictions(files, ensemble_folder, history));
  TUTTI_RETURN_IF_ERROR(SetLostApart(files, ensemble_folder, history));
  TUTTI_RETURN_IF_ERROR(SyncPredictions(files, ensemble_folder, history.predictions));
  return history;
}

}  // namespace tutti::storage
