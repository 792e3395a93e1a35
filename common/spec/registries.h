// The lists behind Descriptors() (descriptor.h), one for each kind.
#pragma once

#include <vector>

#include "common/spec/descriptor.h"

namespace tutti::spec {

std::vector<Descriptor> ModelDescriptors();
std::vector<Descriptor> OptimizerDescriptors();
std::vector<Descriptor> ScheduleDescriptors();
std::vector<Descriptor> AugmentationDescriptors();
std::vector<Descriptor> CombinerDescriptors();
std::vector<Descriptor> SourceDescriptors();

}  // namespace tutti::spec
