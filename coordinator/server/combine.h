// From members' predictions to the ensemble's answer and its report, as files.
//
//   HOME/ID/ensemble/{validation,test}.safetensors   "probabilities" f32 [samples, classes], "ids" i64 [samples]
//   HOME/ID/results.{json,csv}                       ensemble/report.h
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/file_system.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "ensemble/report.h"

namespace tutti::server {

struct CombineRequest {
  EnsembleId id;
  std::filesystem::path folder;  // of the ensemble
  spec::EnsembleSpec spec;
  std::vector<PredictionRecord> predictions;  // of finished members
};

// Which prediction stands for each member on each split: that of its newest attempt, there the highest step. A member
// with several predictors enters as several, named MEMBER/PREDICTOR. In the experiment's order. Pure.
struct ChosenPredictor {
  std::string name;
  std::map<Split, PredictionRecord> predictions;
};
std::vector<ChosenPredictor> ChoosePredictions(const std::vector<PredictionRecord>& predictions,
                                               const spec::EnsembleSpec& spec);

// Logits by sample id from a file. Errors: kNotFound, kIo, kCorrupt, naming the file.
Result<ensemble::Predictions> ReadPredictions(const FileSystem& files, const std::filesystem::path& path);

// Reads the predictions, combines them by every rule and writes the answer and the report; done again, it does the
// same. Errors name the member and the file.
Result<void> CombineMembers(FileSystem& files, const CombineRequest& request);

// The members of `request` whose predictions are gone or damaged. A disk that does not answer now damages nothing.
std::vector<JobId> FindLost(const FileSystem& files, const CombineRequest& request);

}  // namespace tutti::server
