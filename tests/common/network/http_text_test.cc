#include "common/network/http_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::network {
namespace {

TEST(EncodeUrlPart, LeavesNothingThatAUrlWouldMisread) {
  EXPECT_EQ(EncodeUrlPart("fashion-mnist_1.a~"), "fashion-mnist_1.a~");
  EXPECT_EQ(EncodeUrlPart("a/b?c=d ü"), "a%2Fb%3Fc%3Dd%20%C3%BC");
}

TEST(ProblemOf, IsTheErrorThatWasTold) {
  const Error error = ProblemOf(507, R"({"title": "the disk is full", "status": 507, "code": "no_space"})");
  EXPECT_EQ(error.code, ErrorCode::kNoSpace);
  EXPECT_EQ(error.message, "the disk is full");
}

TEST(ProblemOf, OfAnAnswerThatIsNoneNamesItsStatus) {
  for (const char* body : {"", "<html>", "[]", R"({"title": 3})"}) {
    EXPECT_THAT(ProblemOf(502, body).message, ::testing::HasSubstr("502"));
  }
}

}  // namespace
}  // namespace tutti::network
