#include "tests/coordinator/core/experiments.h"

#include <algorithm>

#include "common/result.h"
#include "common/spec/parse.h"

namespace tutti::core {

spec::EnsembleSpec ExperimentOf(const std::vector<MemberSketch>& members, std::optional<int> minimum_members) {
  static const spec::EnsembleSpec base = [] {
    const spec::ParseResult parsed = spec::Parse({.text = "version: 1\n"
                                                          "name: e\n"
                                                          "data: {source: idx, path: /data, validation: 10}\n"
                                                          "training: {epochs: 3}\n"
                                                          "members: [{model: lenet5, seeds: 1}]\n",
                                                  .file_name = "e.yaml",
                                                  .base_folder = "/",
                                                  .overrides = {},
                                                  .environment = {}});
    TUTTI_CHECK(parsed.has_value());
    return *parsed;
  }();
  spec::EnsembleSpec experiment = base;
  experiment.minimum_members = minimum_members;
  experiment.members.clear();
  for (const MemberSketch& sketch : members) {
    spec::MemberSpec member = base.members.front();
    member.name = sketch.name;
    member.seed = static_cast<int64_t>(experiment.members.size());
    member.slots = {sketch.minimum_slots, std::max(sketch.minimum_slots, sketch.maximum_slots), sketch.spread};
    member.slot_memory_bytes = sketch.slot_memory_bytes;
    member.training.checkpoint.keep = sketch.keep;
    experiment.members.push_back(std::move(member));
  }
  return experiment;
}

}  // namespace tutti::core
