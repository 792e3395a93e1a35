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

int ExitCodeAsTask(ErrorCode code) { return ExitCodeOf(AsBadTask({code, "", nullptr}).code); }

TEST(AsBadTask, IsWhatNoRetryMends) {
  for (const ErrorCode code : {ErrorCode::kInvalid, ErrorCode::kNotFound, ErrorCode::kCorrupt}) {
    EXPECT_EQ(ExitCodeAsTask(code), protocol::kExitBadTask) << Name(code);
  }
}

TEST(AsBadTask, IsNothingThatDisksDo) {
  for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kDenied, ErrorCode::kNoSpace}) {
    EXPECT_EQ(ExitCodeAsTask(code), protocol::kExitIo) << Name(code);
  }
}

}  // namespace
}  // namespace tutti::trainer
