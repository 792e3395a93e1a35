// The files of an ensemble's folder that the coordinator writes and reads.
//
//   HOME/ID/split.safetensors       int64 ids "training", "validation", "calibration", "test"
//   HOME/ID/experiment.yaml         as the user wrote it
//   HOME/ID/resolved.{yaml,json}    with every default filled in
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/trainer_events.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "common/tensors/tensor_file.h"
#include "coordinator/server/split.h"

namespace tutti::server {

inline constexpr const char* kResolvedExperiment = "resolved.json";
inline constexpr const char* kSplitFile = "split.safetensors";

// Whole or not at all: see WriteFileDurably.
Result<void> WriteTensorsDurably(FileSystem& files, const std::filesystem::path& path,
                                 std::span<const tensors::NamedTensor> tensors, const tensors::Metadata& metadata);

// A file within `folder` that a worker named. kInvalid for a name that leads out of it.
Result<std::filesystem::path> FileWithin(const std::filesystem::path& folder, const std::string& relative);

// What an inspect job found: all samples' labels by id, and what its trainer said of them.
struct Inspection {
  std::vector<int64_t> labels;
  protocol::Inspected report;
};
// `file`: of labels, as the trainer named it; its events lie beside it. Errors: kNotFound, kIo; kCorrupt when labels
// and report do not fit each other.
Result<Inspection> ReadInspection(const FileSystem& files, const std::filesystem::path& ensemble_folder,
                                  const std::string& file);

// A split with where it came from: later work finds the labels by it.
struct StoredSplit {
  SplitIds ids;
  std::string inspection;  // file of labels, relative to the ensemble's folder
  int classes = 0;
};
Result<void> WriteSplit(FileSystem& files, const std::filesystem::path& ensemble_folder, const StoredSplit& split);
// Errors: kNotFound, kIo, kCorrupt.
Result<StoredSplit> ReadSplit(const FileSystem& files, const std::filesystem::path& ensemble_folder);

// The ensembles' folders that no row knows: a catalog was lost, or older than they are. None where there is no home.
Result<std::vector<EnsembleId>> FindForgotten(const FileSystem& files, const std::filesystem::path& home,
                                              const Records& records);

// Takes an ensemble's folder from its name, so that a crash leaves no half ensemble there. No error when gone already.
Result<void> SetEnsembleFolderAside(FileSystem& files, const std::filesystem::path& home, const EnsembleId& id);
// Whether an entry of the home is what was set aside.
bool IsSetAside(std::string_view name);
// Those of which something set aside is still there. What cannot be read counts as none.
std::vector<EnsembleId> FindSetAside(const FileSystem& files, const std::filesystem::path& home);
// Deletes what was set aside of it. No error when gone already.
Result<void> DeleteSetAside(FileSystem& files, const std::filesystem::path& home, const EnsembleId& id);

}  // namespace tutti::server
