#include "cli/render/usage.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

storage::HomeUsage TwoEnsembles() {
  storage::HomeUsage usage;
  usage.ensembles = {{EnsembleId("a-1"), 3000, {{".inspect", 500}, {"m-s0", 2400}}}, {EnsembleId("b-1"), 1000, {}}};
  usage.catalog_bytes = 20;
  usage.cache_bytes = 55'000'000;
  usage.other_bytes = 6'000'000;
  return usage;
}

TEST(RenderUsage, ListsMembersUnderTheirEnsembleAndSumsUp) {
  EXPECT_EQ(RenderUsage(TwoEnsembles(), Colour::kOff),
            "a-1          3.0 kB\n"
            "  .inspect    500 B\n"
            "  m-s0       2.4 kB\n"
            "b-1          1.0 kB\n"
            "catalog        20 B\n"
            "cache       55.0 MB  prepared data, safe to delete\n"
            "other        6.0 MB  logs, what removals left, folders without an experiment\n"
            "all         61.0 MB\n");
}

TEST(UsageDocument, CountsBytes) {
  const Json document = UsageDocument(TwoEnsembles());
  EXPECT_EQ(document["ensembles"][0]["members"][1]["bytes"], 2400);
  EXPECT_EQ(document["cache_bytes"], 55'000'000);
  EXPECT_EQ(document["other_bytes"], 6'000'000);
}

}  // namespace
}  // namespace tutti::cli
