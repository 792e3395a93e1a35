#include "common/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace tutti {
namespace {

using ::testing::HasSubstr;

std::string Nested(int levels) {
  return std::string(static_cast<size_t>(levels), '[') + std::string(static_cast<size_t>(levels), ']');
}

TEST(ParseJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(ParseJson(R"({"z": 1, "a": 2, "m": 3})")->dump(), R"({"z":1,"a":2,"m":3})");
}

TEST(ParseJson, KeepsDoublesToTheLastBit) {
  for (const double value : {0.1, 1.0 / 3, 5e-324, std::numeric_limits<double>::max(), -0.0, 1.0000000000000002}) {
    const double read = ParseJson(Json(value).dump())->get<double>();
    EXPECT_EQ(std::memcmp(&read, &value, sizeof(value)), 0) << value;
  }
}

TEST(ParseJson, RefusesWhatIsNoJsonAndSaysWhere) {
  for (const std::string_view text : {"", "{", "{\"a\": }", "[1,]", "nul", "{} {}", "\"\xff\"", "NaN", "'a'"}) {
    const auto parsed = ParseJson(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("not JSON"));
  }
  EXPECT_THAT(ParseJson("{\"a\": x}").error().message, HasSubstr("column"));
}

TEST(ParseJson, RefusesWhatIsNestedTooDeep) {
  EXPECT_TRUE(ParseJson(Nested(64)));
  EXPECT_FALSE(ParseJson(Nested(66)));
  EXPECT_TRUE(ParseJson(Nested(3), 3));
  const auto deep = ParseJson(Nested(5), 3);
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(deep.error().message, HasSubstr("3 levels"));
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '['))) << "and does not need the stack for it";
}

}  // namespace
}  // namespace tutti
