// What lists show of experiments, without reading each of them for every list.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/records.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::server {

struct Outline {
  std::string name;
  int members = 0;
  std::optional<int> minimum_members;  // nothing: all
};

Outline OutlineOf(const spec::EnsembleSpec& spec);

// By the experiment's hash. Thread-safe.
class Outlines {
 public:
  // Nothing where what is stored cannot be read.
  std::optional<Outline> Of(const EnsembleRecord& ensemble);

 private:
  std::mutex mutex_;
  std::map<std::string, std::optional<Outline>> known_;
};

}  // namespace tutti::server
