// What the tests of checkpoints write and look for.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::storage {

inline AttemptId Attempt(int number, const std::string& member = "lenet5-s0") {
  return {{EnsembleId("fashion-mnist-3"), member}, number};
}

inline std::string ModelBytes(int64_t step) { return std::string(1000, static_cast<char>('a' + step % 26)); }

inline Result<void> WriteFile(CheckpointStore::Writer& writer, const std::string& name, const std::string& contents) {
  TUTTI_ASSIGN_OR_RETURN(const auto file, writer.Create(name));
  const auto bytes = std::as_bytes(std::span(contents));
  TUTTI_RETURN_IF_ERROR(file->Append(bytes.first(bytes.size() / 3)));
  TUTTI_RETURN_IF_ERROR(file->Append(bytes.subspan(bytes.size() / 3)));
  return file->Close();
}

// A checkpoint with two files whose bytes tell the step.
inline Result<FoundCheckpoint> WriteCheckpoint(CheckpointStore& store, const AttemptId& attempt, int64_t step,
                                               double validation_loss = 0.5) {
  Manifest manifest;
  manifest.attempt = attempt;
  manifest.step = step;
  manifest.epoch = static_cast<double>(step) / 10;
  manifest.metrics["validation_loss"] = validation_loss;
  TUTTI_ASSIGN_OR_RETURN(CheckpointStore::Writer writer, store.Begin(std::move(manifest)));
  TUTTI_RETURN_IF_ERROR(WriteFile(writer, "model.safetensors", ModelBytes(step)));
  TUTTI_RETURN_IF_ERROR(WriteFile(writer, "training.safetensors", ModelBytes(step + 1)));
  return writer.Commit();
}

inline std::vector<int64_t> Steps(const AttemptContents& contents) {
  std::vector<int64_t> steps;
  for (const FoundCheckpoint& checkpoint : contents.checkpoints) steps.push_back(checkpoint.manifest.step);
  return steps;
}

inline void Overwrite(const std::filesystem::path& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

}  // namespace tutti::storage
