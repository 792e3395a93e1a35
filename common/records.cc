#include "common/records.h"

#include <array>

namespace tutti {
namespace {

template <typename Enum>
struct Named {
  Enum value;
  std::string_view name;
};

template <typename Enum>
constexpr auto kNames = 0;
template <>
constexpr auto kNames<EnsembleState> = std::to_array<Named<EnsembleState>>({
    {EnsembleState::kRunning, "running"},
    {EnsembleState::kFinished, "finished"},
    {EnsembleState::kIncomplete, "incomplete"},
    {EnsembleState::kFailed, "failed"},
    {EnsembleState::kCancelled, "cancelled"},
    {EnsembleState::kStopped, "stopped"},
    {EnsembleState::kRemoving, "removing"},
});
template <>
constexpr auto kNames<JobKind> = std::to_array<Named<JobKind>>({
    {JobKind::kInspect, "inspect"},
    {JobKind::kTrain, "train"},
    {JobKind::kPredict, "predict"},
    {JobKind::kEvaluate, "evaluate"},
});
template <>
constexpr auto kNames<JobState> = std::to_array<Named<JobState>>({
    {JobState::kWaiting, "waiting"},
    {JobState::kRunning, "running"},
    {JobState::kFinished, "finished"},
    {JobState::kFailed, "failed"},
    {JobState::kCancelled, "cancelled"},
    {JobState::kStopped, "stopped"},
});
template <>
constexpr auto kNames<AttemptState> = std::to_array<Named<AttemptState>>({
    {AttemptState::kGranted, "granted"},
    {AttemptState::kRunning, "running"},
    {AttemptState::kUnknown, "unknown"},
    {AttemptState::kStopping, "stopping"},
    {AttemptState::kEnded, "ended"},
});
template <>
constexpr auto kNames<CheckpointState> = std::to_array<Named<CheckpointState>>({
    {CheckpointState::kCommitted, "committed"},
    {CheckpointState::kDeleting, "deleting"},
});
template <>
constexpr auto kNames<Split> = std::to_array<Named<Split>>({
    {Split::kTraining, "training"},
    {Split::kValidation, "validation"},
    {Split::kCalibration, "calibration"},
    {Split::kTest, "test"},
});

template <typename Enum>
std::string_view NameOf(Enum value) {
  for (const auto& named : kNames<Enum>) {
    if (named.value == value) return named.name;
  }
  TUTTI_CHECK(false);
}

}  // namespace

std::string_view Name(EnsembleState state) { return NameOf(state); }
std::string_view Name(JobKind kind) { return NameOf(kind); }
std::string_view Name(JobState state) { return NameOf(state); }
std::string_view Name(AttemptState state) { return NameOf(state); }
std::string_view Name(CheckpointState state) { return NameOf(state); }
std::string_view Name(Split split) { return NameOf(split); }

template <typename Enum>
Result<Enum> ParseName(std::string_view name) {
  for (const auto& named : kNames<Enum>) {
    if (named.name == name) return named.value;
  }
  std::string known;
  for (const auto& named : kNames<Enum>) known += fmt::format("{}{}", known.empty() ? "" : ", ", named.name);
  return Fail(ErrorCode::kInvalid, "unknown name '{}'; there are: {}", name, known);
}

template Result<EnsembleState> ParseName<EnsembleState>(std::string_view);
template Result<JobKind> ParseName<JobKind>(std::string_view);
template Result<JobState> ParseName<JobState>(std::string_view);
template Result<AttemptState> ParseName<AttemptState>(std::string_view);
template Result<CheckpointState> ParseName<CheckpointState>(std::string_view);
template Result<Split> ParseName<Split>(std::string_view);

}  // namespace tutti
