#include "cli/nodes/slurm_nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/nodes/allocation_options.h"

namespace tutti::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const SlurmNodeOptions kOptions{"/opt/tutti's/tutti", "/shared/my runs", {"--partition=gpu"}, {}};

TEST(SlurmNodes, AJobRunsAWorkerOnEachNode) {
  const auto words = SbatchWords(kOptions, {"tutti-ab-7", 3, 90min + 1s});
  for (const char* word : {"--job-name=tutti-ab-7", "--nodes=3", "--ntasks-per-node=1", "--time=90", "--partition=gpu",
                           "--no-requeue", "--parsable", "--output=/shared/my runs/nodes/%x.txt"}) {
    EXPECT_THAT(words, Contains(word));
  }
  const std::string command = SlurmNodeCommand(kOptions, {"tutti-ab-7", 3, 90min});
  EXPECT_THAT(command, HasSubstr("srun"));
  EXPECT_THAT(command, HasSubstr("tutti-ab-7-$SLURM_NODEID"));
  EXPECT_EQ(words.back(), "--wrap=" + command);
}

TEST(SlurmNodes, TheQueueIsRead) {
  const auto jobs = ParseQueue(
      "tutti-ab-1|17|RUNNING|2|4:00:00|3:30:00\n"
      "tutti-ab-2|18|PENDING|1|1-00:00:00|1-00:00:00\n"
      "other|19|RUNNING|1|UNLIMITED|UNLIMITED\n"
      "tutti-ab-3|20|COMPLETING|1|15:00|10:00\n"
      "tutti-ab-4|21|CONFIGURING|1|15:00|15:00\n",
      "tutti-ab-");
  ASSERT_TRUE(jobs) << jobs.error().Text();
  ASSERT_THAT(*jobs, SizeIs(3)) << "one that ends cannot be counted on";
  EXPECT_EQ((*jobs)[0].id, "17");
  EXPECT_TRUE((*jobs)[0].running);
  EXPECT_EQ((*jobs)[0].nodes, 2);
  EXPECT_EQ((*jobs)[0].walltime, Duration(4h));
  EXPECT_EQ((*jobs)[0].left, Duration(210min));
  EXPECT_FALSE((*jobs)[1].running);
  EXPECT_EQ((*jobs)[1].walltime, Duration(24h));
  EXPECT_EQ((*jobs)[2].name, "tutti-ab-4");
}

TEST(SlurmNodes, WhatIsNoAnswerOfSqueueIsRefused) {
  EXPECT_THAT(ParseQueue("", "tutti-").value(), IsEmpty());
  EXPECT_EQ(ParseQueue("tutti-1|2\n", "tutti-").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(ParseQueue("tutti-1|2|RUNNING|many|1:00|1:00\n", "tutti-").error().code, ErrorCode::kInvalid);
}

TEST(AllocationOptions, WhatTheCoordinatorSetsItselfIsRefused) {
  AllocationOptions options;
  EXPECT_FALSE(options.Choose("/runs").value()) << "nobody asked for nodes";
  options.system = "slurm";
  const auto why = [&](const std::string& option) {
    options.sbatch = {option};
    return options.Choose("/runs").error().Text();
  };
  EXPECT_THAT(why("nodes=4"), HasSubstr("sets --nodes itself"));
  EXPECT_THAT(why("--partition=gpu"), HasSubstr("without its dashes"));
  options.time = "5:00";
  EXPECT_THAT(why("partition=gpu"), HasSubstr("10 minutes at least"));
}

}  // namespace
}  // namespace tutti::cli
