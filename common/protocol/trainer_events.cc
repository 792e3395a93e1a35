#include "common/protocol/trainer_events.h"

#include "common/protocol/fields.h"

namespace tutti::protocol {

template <>
inline constexpr auto kFields<Started> = std::tuple(Field{"step", &Started::step},
                                                    Field{"total_steps", &Started::total_steps},
                                                    Field{"steps_per_epoch", &Started::steps_per_epoch},
                                                    Field{"world_size", &Started::world_size},
                                                    Field{"provenance", &Started::provenance},
                                                    LaterField{"version", &Started::version, 1});
template <>
inline constexpr auto kFields<Progress> = std::tuple(Field{"step", &Progress::step}, Field{"epoch", &Progress::epoch},
                                                     Field{"train_loss", &Progress::train_loss},
                                                     Field{"images_per_second", &Progress::images_per_second});
template <>
inline constexpr auto kFields<EpochDone> = std::tuple(
    Field{"epoch", &EpochDone::epoch}, Field{"step", &EpochDone::step}, Field{"train_loss", &EpochDone::train_loss},
    Field{"validation_loss", &EpochDone::validation_loss},
    Field{"validation_accuracy", &EpochDone::validation_accuracy}, Field{"learning_rate", &EpochDone::learning_rate},
    Field{"images_per_second", &EpochDone::images_per_second}, Field{"train_seconds", &EpochDone::train_seconds});
template <>
inline constexpr auto kFields<CheckpointWritten> = std::tuple(
    Field{"step", &CheckpointWritten::step}, Field{"epoch", &CheckpointWritten::epoch},
    Field{"folder", &CheckpointWritten::folder}, Field{"manifest_hash", &CheckpointWritten::manifest_hash},
    Field{"size_bytes", &CheckpointWritten::size_bytes}, Field{"validation_loss", &CheckpointWritten::validation_loss});
template <>
inline constexpr auto kFields<PredictionsWritten> = std::tuple(Field{"predictor", &PredictionsWritten::predictor},
                                                               Field{"split", &PredictionsWritten::split},
                                                               Field{"file", &PredictionsWritten::file},
                                                               Field{"samples", &PredictionsWritten::samples},
                                                               Field{"step", &PredictionsWritten::step},
                                                               LaterField{"hash", &PredictionsWritten::hash, ""});
template <>
inline constexpr auto kFields<Inspected> = std::tuple(
    Field{"training_samples", &Inspected::training_samples}, Field{"test_samples", &Inspected::test_samples},
    Field{"classes", &Inspected::classes}, Field{"class_names", &Inspected::class_names},
    Field{"channels", &Inspected::channels}, Field{"height", &Inspected::height}, Field{"width", &Inspected::width},
    Field{"data_hash", &Inspected::data_hash}, Field{"file", &Inspected::file});
template <>
inline constexpr auto kFields<Failed> = std::tuple(Field{"error", &Failed::error});
template <>
inline constexpr auto kFields<Finished> = std::tuple(Field{"step", &Finished::step},
                                                     Field{"train_seconds", &Finished::train_seconds},
                                                     LaterField{"seconds", &Finished::seconds, 0.0});
template <>
inline constexpr auto kFields<StoppedEarly> = std::tuple(Field{"step", &StoppedEarly::step});

template <>
inline constexpr const char* kWord<Started> = "started";
template <>
inline constexpr const char* kWord<Progress> = "progress";
template <>
inline constexpr const char* kWord<EpochDone> = "epoch_done";
template <>
inline constexpr const char* kWord<CheckpointWritten> = "checkpoint_written";
template <>
inline constexpr const char* kWord<PredictionsWritten> = "predictions_written";
template <>
inline constexpr const char* kWord<Inspected> = "inspected";
template <>
inline constexpr const char* kWord<Failed> = "failed";
template <>
inline constexpr const char* kWord<Finished> = "finished";
template <>
inline constexpr const char* kWord<StoppedEarly> = "stopped_early";

Json ToJson(const TrainerEvent& event) {
  Json json = Json::object();
  WriteTagged(json, "event", event);
  return json;
}

Result<TrainerEvent> TrainerEventFromJson(const Json& json) {
  auto event = Tagged<TrainerEvent>::Read(json, "event");
  if (!event) return Fail(ErrorCode::kInvalid, "a trainer's event: {}", event.error().message);
  return event;
}

bool IsPermanent(int exit_code) {
  return exit_code == kExitBadTask || exit_code == kExitBadData || exit_code == kExitDiverged;
}

}  // namespace tutti::protocol
