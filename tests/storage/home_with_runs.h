// A home as a coordinator and its trainers leave it, without a catalog.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/hash.h"
#include "common/protocol/trainer_events.h"
#include "common/spec/parse.h"
#include "common/tensors/tensor_file.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "tests/storage/checkpoints.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {

// fashion-mnist-3 has two members: lenet5-s0 has finished; lenet5-s1 was stopped once and is in the middle of its
// second attempt.
class HomeWithRuns : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteExperiment();
    for (const AttemptId& attempt : {kInspect, kFinished, kStopped, kCurrent}) Prepare(attempt);
    WriteInspection();
    WriteFinishedMember();
    WriteMemberInTheMiddle();
  }

  std::filesystem::path FolderOf(const AttemptId& attempt) const { return ensemble_ / AttemptFolder(attempt); }
  std::filesystem::path FolderOf(const AttemptId& attempt, int64_t step) const {
    return FolderOf(attempt) / StepFolderName(step);
  }

  static void Append(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary | std::ios::app) << text;
  }

  void Say(const AttemptId& attempt, const protocol::TrainerEvent& event) const {
    Append(FolderOf(attempt) / "events.jsonl", protocol::ToJson(event).dump() + "\n");
  }

  // As a coordinator does before a trainer starts.
  void Prepare(const AttemptId& attempt) const { Append(FolderOf(attempt) / "task.json", "{}"); }

  std::string WritePredictions(const AttemptId& attempt, const std::string& predictor, Split split,
                               int64_t samples) const {
    const auto relative =
        AttemptFolder(attempt) / "predictions" / predictor / fmt::format("{}.safetensors", Name(split));
    std::filesystem::create_directories((ensemble_ / relative).parent_path());
    const std::vector<int64_t> ids(static_cast<size_t>(samples), 7);
    const std::vector<float> logits(static_cast<size_t>(samples) * 10, 0.5F);
    auto file = PosixFileSystem().Create(ensemble_ / relative).value();
    const std::vector<tensors::NamedTensor> named = {
        {"ids", tensors::ViewOf<int64_t>(tensors::DType::kI64, {samples}, ids)},
        {"logits", tensors::ViewOf<float>(tensors::DType::kF32, {samples, 10}, logits)}};
    EXPECT_TRUE(tensors::WriteSafetensors(*file, named));
    return relative.string();
  }

  void Predict(const AttemptId& attempt, const std::string& predictor, Split split, int64_t samples) const {
    const std::string file = WritePredictions(attempt, predictor, split, samples);
    Say(attempt, protocol::PredictionsWritten{.predictor = predictor,
                                              .split = split,
                                              .file = file,
                                              .samples = samples,
                                              .step = 30,
                                              .hash = HashText(PosixFileSystem().Read(ensemble_ / file).value())});
  }

  void Train(const AttemptId& attempt, int64_t step, double validation_loss) {
    Say(attempt, protocol::EpochDone{.epoch = static_cast<int>(step / 10),
                                     .step = step,
                                     .train_loss = validation_loss / 2,
                                     .validation_loss = validation_loss,
                                     .validation_accuracy = 0.9,
                                     .learning_rate = 0.05,
                                     .images_per_second = 1000,
                                     .train_seconds = 1.25});
    ASSERT_TRUE(WriteCheckpoint(store_, attempt, step, validation_loss));
  }

  void WriteExperiment() {
    const spec::ParseResult parsed = spec::Parse({.text = "version: 1\n"
                                                          "name: fashion-mnist\n"
                                                          "data: {source: idx, path: /data, validation: 10}\n"
                                                          "training: {epochs: 3}\n"
                                                          "members: [{model: lenet5, seeds: 2, slots: 2}]\n",
                                                  .file_name = "e.yaml",
                                                  .base_folder = "/",
                                                  .overrides = {},
                                                  .environment = {}});
    ASSERT_TRUE(parsed.has_value());
    Append(ensemble_ / "resolved.json", spec::ToJson(*parsed).dump());
  }

  static void WriteIds(const std::filesystem::path& path, const char* name, const tensors::Metadata& metadata) {
    const std::vector<int64_t> ids(10, 7);
    auto file = PosixFileSystem().Create(path).value();
    const std::vector<tensors::NamedTensor> named = {{name, tensors::ViewOf<int64_t>(tensors::DType::kI64, {10}, ids)}};
    EXPECT_TRUE(tensors::WriteSafetensors(*file, named, metadata));
  }

  void WriteInspection() {
    WriteIds(labels_, "labels", {});
    WriteIds(ensemble_ / "split.safetensors", "training",
             {{"inspection", (AttemptFolder(kInspect) / "labels.safetensors").string()}});
    protocol::Inspected inspected;
    inspected.data_hash = "0123456789abcdef0123456789abcdef";
    Say(kInspect, inspected);
  }

  void WriteFinishedMember() {
    Say(kFinished, protocol::Started{.step = 0, .total_steps = 30, .steps_per_epoch = 10});
    for (const int64_t step : {10, 20, 30}) Train(kFinished, step, 1.0 / static_cast<double>(step));
    for (const Split split : {Split::kValidation, Split::kTest}) Predict(kFinished, "last", split, 12);
    Say(kFinished, protocol::Finished{.step = 30, .train_seconds = 3.75});
  }

  void WriteMemberInTheMiddle() {
    Say(kStopped, protocol::Started{.step = 0, .total_steps = 30, .steps_per_epoch = 10});
    Train(kStopped, 10, 0.5);
    Say(kStopped, protocol::StoppedEarly{.step = 10});
    Say(kCurrent, protocol::Started{.step = 10, .total_steps = 30, .steps_per_epoch = 10});
    Train(kCurrent, 20, 0.25);
  }

  const AttemptId kInspect{{EnsembleId("fashion-mnist-3"), ".inspect"}, 1};
  const AttemptId kFinished{{EnsembleId("fashion-mnist-3"), "lenet5-s0"}, 1};
  const AttemptId kStopped{{EnsembleId("fashion-mnist-3"), "lenet5-s1"}, 1};
  const AttemptId kCurrent{{EnsembleId("fashion-mnist-3"), "lenet5-s1"}, 2};

  testing::TemporaryFolder home_;
  std::filesystem::path ensemble_ = home_ / "fashion-mnist-3";
  std::filesystem::path labels_ = ensemble_ / "members/.inspect/attempt-1/labels.safetensors";
  CheckpointStore store_{PosixFileSystem(), ensemble_};
};

}  // namespace tutti::storage
