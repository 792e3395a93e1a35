#include "common/clock.h"

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(FormatTime, IsUniversalTimeWithMilliseconds) {
  EXPECT_EQ(FormatTime(TimePoint(Duration(1'772'366'400'250))), "2026-03-01T12:00:00.250Z");
  EXPECT_EQ(FormatTime(TimePoint(Duration(0))), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatTime(TimePoint(Duration(7))), "1970-01-01T00:00:00.007Z");
}

TEST(FormatTime, WorksBeforeTheEpochToo) { EXPECT_EQ(FormatTime(TimePoint(Duration(-1))), "1969-12-31T23:59:59.999Z"); }

TEST(SystemClock, NeverGoesBack) {
  const SystemClock clock;
  TimePoint last = clock.Now();
  for (int i = 0; i < 10'000; ++i) {
    const TimePoint now = clock.Now();
    ASSERT_LE(last, now);
    last = now;
  }
}

TEST(SystemClock, BeginsAtTheWallsTime) {
  const auto before = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  const SystemClock clock;
  EXPECT_GE(clock.Now(), before);
  EXPECT_LT(clock.Now(), before + std::chrono::hours(1));
}

}  // namespace
}  // namespace tutti
