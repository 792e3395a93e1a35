// Documents of the API as a coordinator would answer them.
#pragma once

#include <string>

#include "cli/render/documents.h"

namespace tutti::cli {

// Three members on the way: one has finished, one runs, one waits.
inline Json RunningJson() {
  return ParseJson(R"({
    "id": "small-1", "name": "small", "state": "running",
    "submitted_at": "2026-03-01T12:00:00.000Z", "ended_at": null, "note": "",
    "members_total": 3, "members_finished": 1, "members_failed": 0, "minimum_members": 3, "exit_code": null,
    "members": [
      {"name": "lenet5-s0", "state": "finished", "reason": "", "attempts": 1, "failures": 0, "gang": ["host:0"],
       "epoch": 2.0, "epochs": 2.0, "step": 80, "total_steps": 80, "train_loss": 0.5, "validation_loss": 0.25,
       "validation_accuracy": 0.912, "images_per_second": 9800.0, "train_seconds": 55.1,
       "curve": [{"epoch": 1, "train_loss": 0.6, "validation_loss": 0.4, "validation_accuracy": 0.85},
                 {"epoch": 2, "train_loss": 0.5, "validation_loss": 0.25, "validation_accuracy": 0.912}],
       "last_error": ""},
      {"name": "lenet5-s1", "state": "running", "reason": "", "attempts": 1, "failures": 0, "gang": ["host:1"],
       "epoch": 1.0, "epochs": 2.0, "step": 40, "total_steps": 80, "train_loss": 0.61, "validation_loss": 0.41,
       "validation_accuracy": 0.849, "images_per_second": 10234.6, "train_seconds": 27.0,
       "curve": [{"epoch": 1, "train_loss": 0.61, "validation_loss": 0.41, "validation_accuracy": 0.849}],
       "last_error": ""},
      {"name": "mlp-s0", "state": "waiting", "reason": "needs 1 slot, none is free", "attempts": 0, "failures": 0,
       "gang": [], "epoch": 0.0, "epochs": 2.0, "step": 0, "total_steps": null, "train_loss": null,
       "validation_loss": null, "validation_accuracy": null, "images_per_second": null, "train_seconds": 0.0,
       "curve": [], "last_error": ""}
    ],
    "results": null})")
      .value();
}

inline EnsembleDocument Running() { return ReadEnsemble(RunningJson()).value(); }

// Figures on test as they stand in a table, of ten members.
inline ensemble::EnsembleReport TenMembers() {
  using ensemble::Difference;
  ensemble::EnsembleReport report;
  report.members = 10;
  report.members_total = 10;
  report.classes = 10;
  report.combiner = "mean";
  report.best_member = "lenet5-s3";
  ensemble::SplitReport test;
  test.split = Split::kTest;
  test.samples = 10000;
  test.members = {{"lenet5-s0", {.accuracy = 0.906, .nll = 0.265, .brier = 0.137, .ece = 0.022}},
                  {"lenet5-s3", {.accuracy = 0.9102, .nll = 0.2551, .brier = 0.1316, .ece = 0.0204}}};
  test.members_mean = {.accuracy = 0.908, .nll = 0.259, .brier = 0.1343, .ece = 0.0211};
  test.members_deviation = ensemble::Metrics{.accuracy = 0.0022, .nll = 0.0031, .brier = 0.0021, .ece = 0.002};
  test.combiners = {{"mean", {.accuracy = 0.92, .nll = 0.219, .brier = 0.118, .ece = 0.0095}},
                    {"vote", {.accuracy = 0.9201, .nll = {}, .brier = {}, .ece = {}}}};
  test.differences = {
      {Difference::Versus::kBestMember, "nll", {-0.0361, -0.0412, -0.031}},
      {Difference::Versus::kBestMember, "accuracy", {0.0098, 0.007, 0.0126}},
      {Difference::Versus::kBestMember, "brier", {-0.0136, -0.0155, -0.0117}},
      {Difference::Versus::kMembersMean, "nll", {-0.04, -0.043, -0.037}},
      {Difference::Versus::kMembersMean, "accuracy", {0.012, 0.0101, 0.0139}},
      {Difference::Versus::kMembersMean, "brier", {-0.0163, -0.0176, -0.015}},
  };
  report.splits = {test};
  return report;
}

}  // namespace tutti::cli
