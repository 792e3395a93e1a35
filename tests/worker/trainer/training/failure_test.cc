#include "worker/trainer/training/failure.h"

#include <gtest/gtest.h>

#include "common/protocol/trainer_events.h"

namespace tutti::trainer {
namespace {

int ExitCodeAsData(ErrorCode code) { return ExitCodeOf(AsBadData({code, "", nullptr}).code); }

TEST(AsBadData, IsWhatNoRetryMends) {
  EXPECT_EQ(ExitCodeAsData(ErrorCode::kInvalid), protocol::kExitBadData);
  EXPECT_EQ(ExitCodeAsData(ErrorCode::kNotFound), protocol::kExitBadData);
  EXPECT_EQ(ExitCodeAsData(ErrorCode::kCorrupt), protocol::kExitBadData);
}

TEST(AsBadData, IsNothingThatDisksAndLocksDo) {
  for (const ErrorCode code : {ErrorCode::kTimeout, ErrorCode::kDenied, ErrorCode::kExists, ErrorCode::kIo,
                               ErrorCode::kNoSpace, ErrorCode::kInternal}) {
    EXPECT_FALSE(protocol::IsPermanent(ExitCodeAsData(code))) << Name(code);
  }
}

}  // namespace
}  // namespace tutti::trainer
