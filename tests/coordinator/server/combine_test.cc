// What an experiment may ask for and what combines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "common/spec/registries.h"
#include "ensemble/combiners.h"

namespace tutti::server {
namespace {

TEST(Combiners, OfAnExperimentAreThoseThatThereAre) {
  std::vector<std::string_view> described, known;
  const std::vector<spec::Descriptor> descriptors = spec::CombinerDescriptors();
  for (const spec::Descriptor& descriptor : descriptors) described.push_back(descriptor.name);
  for (const ensemble::Combiner& combiner : ensemble::Combiners()) known.push_back(combiner.name);
  EXPECT_EQ(described, known);
}

}  // namespace
}  // namespace tutti::server
