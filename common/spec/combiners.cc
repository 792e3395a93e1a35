#include "common/spec/registries.h"

namespace tutti::spec {
namespace {

Descriptor Mean() { return {"mean", "The mean of the members' probabilities.", {}}; }

Descriptor Vote() { return {"vote", "The class that most members name; ties go to the higher mean probability.", {}}; }

}  // namespace

std::vector<Descriptor> CombinerDescriptors() { return {Mean(), Vote()}; }

}  // namespace tutti::spec
