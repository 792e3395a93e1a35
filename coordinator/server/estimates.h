// How long training takes, as far as earlier trainings tell. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/records.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::server {

class Estimates {
 public:
  // Learns what an ensemble's members took, newer ensembles first. `epochs` tells how far those that run are.
  void Learn(const Records& ensemble, const std::map<JobId, double>& epochs, TimePoint now);

  // A member like one that was trained before: same data, model, preparation, batch and gang.
  std::optional<Duration> Of(const spec::DataSpec& data, const spec::MemberSpec& member) const;
  // What is left of a job that was learnt about.
  std::optional<Duration> Left(const JobId& job) const;

 private:
  static std::string KindOf(const spec::DataSpec& data, const spec::MemberSpec& member);

  std::map<std::string, double> seconds_;  // of one epoch, or one step, by kind
  struct Job {
    std::string kind;
    double length = 0;  // left, in epochs or steps
  };
  std::map<JobId, Job> jobs_;
};

// The most that an attempt which finished spent besides its training steps, for each of its epochs: at least the time
// of one checkpoint, and of all else that goes with it. Nothing where none finished.
std::optional<Duration> LongestBesideTraining(const Records& ensemble);

}  // namespace tutti::server
