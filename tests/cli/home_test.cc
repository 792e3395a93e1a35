#include "cli/home.h"

#include <gtest/gtest.h>

namespace tutti::cli {
namespace {

TEST(FindHome, TakesTheOptionBeforeTheEnvironmentBeforeRuns) {
  EXPECT_EQ(FindHome("/a", "/b"), "/a");
  EXPECT_EQ(FindHome(std::nullopt, "/b"), "/b");
  EXPECT_EQ(FindHome(std::nullopt, nullptr), std::filesystem::current_path() / "runs");
}

TEST(FindHome, TakesEmptyAsNotGiven) { EXPECT_EQ(FindHome("", ""), std::filesystem::current_path() / "runs"); }

TEST(FindHome, IsAbsoluteAndPlain) {
  EXPECT_EQ(FindHome("x/../y/", nullptr), std::filesystem::current_path() / "y");
  EXPECT_EQ(FindHome("/", nullptr), "/");
}

}  // namespace
}  // namespace tutti::cli
