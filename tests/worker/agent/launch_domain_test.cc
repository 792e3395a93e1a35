#include "worker/agent/launch_domain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/host_name.h"

namespace tutti::worker {
namespace {

using ::testing::StartsWith;

TEST(LaunchDomain, IsTheSameForAllWorkersWhoseRanksFindEachOther) {
  EXPECT_EQ(LaunchDomainOfMachine("/run/user/7/tutti"), LaunchDomainOfMachine("/run/user/7/tutti"));
  EXPECT_NE(LaunchDomainOfMachine("/run/user/7/tutti"), LaunchDomainOfMachine("/tmp/tutti-7"));
  EXPECT_THAT(LaunchDomainOfMachine("/tmp/tutti-7"), StartsWith(HostName()));
}

}  // namespace
}  // namespace tutti::worker
