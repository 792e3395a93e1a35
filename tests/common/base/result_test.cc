#include "common/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>

namespace tutti {
namespace {

using ::testing::HasSubstr;

TEST(Error, TellsItsCausesInOrder) {
  const auto disk = Fail(ErrorCode::kNoSpace, "cannot write {}", "/a");
  const auto checkpoint = FailBecause(disk.value(), "step {} is lost", 10);
  const auto attempt = FailBecause(checkpoint.value(), "the attempt ends");
  EXPECT_EQ(attempt.value().Text(), "the attempt ends: step 10 is lost: cannot write /a");
  EXPECT_EQ(attempt.value().message, "the attempt ends");
  EXPECT_EQ(attempt.value().code, ErrorCode::kNoSpace) << "the code is that of what went wrong first";
}

TEST(FailErrno, TurnsSystemErrorsIntoCodes) {
  const auto code = [](int system_errno) { return FailErrno(system_errno, "cannot write /a").value().code; };
  EXPECT_EQ(code(ENOSPC), ErrorCode::kNoSpace);
  EXPECT_EQ(code(EDQUOT), ErrorCode::kNoSpace);
  EXPECT_EQ(code(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code(EEXIST), ErrorCode::kExists);
  EXPECT_EQ(code(EACCES), ErrorCode::kDenied);
  EXPECT_EQ(code(EPERM), ErrorCode::kDenied);
  EXPECT_EQ(code(EIO), ErrorCode::kIo);
  EXPECT_EQ(FailErrno(ENOSPC, "cannot write /a").value().message, "cannot write /a: No space left on device");
}

TEST(ErrorCode, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) names.insert(Name(static_cast<ErrorCode>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(ErrorCode::kInternal) + 1);
  EXPECT_EQ(Name(ErrorCode::kNotFound), "not_found");
}

Result<std::unique_ptr<int>> MakeNumber(int value) {
  if (value < 0) return Fail(ErrorCode::kInvalid, "{} is negative", value);
  return std::make_unique<int>(value);
}

Result<int> Sum(int a, int b, int& reached) {
  TUTTI_ASSIGN_OR_RETURN(const std::unique_ptr<int> first, MakeNumber(a));
  reached = 1;
  TUTTI_RETURN_IF_ERROR(MakeNumber(b));
  reached = 2;
  return *first + b;
}

TEST(ReturnMacros, PassTheFirstErrorOnAndStopThere) {
  int reached = 0;
  EXPECT_EQ(Sum(1, 2, reached).value(), 3);
  EXPECT_EQ(reached, 2);
  reached = 0;
  EXPECT_EQ(Sum(-1, 2, reached).error().message, "-1 is negative");
  EXPECT_EQ(reached, 0);
  EXPECT_EQ(Sum(1, -2, reached).error().message, "-2 is negative");
  EXPECT_EQ(reached, 1);
}

TEST(Check, EndsTheProcessAndSaysWhere) {
  EXPECT_DEATH(TUTTI_CHECK(1 > 2), "result_test.cc.*1 > 2");
  TUTTI_CHECK(2 > 1);
}

}  // namespace
}  // namespace tutti
