#include "coordinator/server/without_paths.h"

#include <gtest/gtest.h>

namespace tutti::server {
namespace {

constexpr const char* kHome = "/my home/runs";

TEST(WithoutPaths, HidesAbsolutePathsAlone) {
  const auto shown = [](std::string_view text) { return WithoutPaths(text, kHome); };
  EXPECT_EQ(shown("cannot read /data/x.npy: no such file"), "cannot read (path): no such file");
  EXPECT_EQ(shown("its folder /my home/runs/a-1 is gone"), "its folder (path) is gone");
  EXPECT_EQ(shown("{\"note\":\"/a/b\"}"), "{\"note\":\"(path)\"}");
  EXPECT_EQ(shown("'/a/b' (/c) x=/d, \\\"/e\\\" /f."), "'(path)' ((path)) x=(path), \\\"(path)\\\" (path).");
  EXPECT_EQ(shown("/a"), "(path)");
}

TEST(WithoutPaths, HidesTheTailsOfPathsWithBlanksQuotesAndColons) {
  const auto shown = [](std::string_view text) { return WithoutPaths(text, kHome); };
  EXPECT_EQ(shown("cannot read /data/my set/secret x.npy: no such file"), "cannot read (path): no such file");
  EXPECT_EQ(shown("cannot read /data/my secret"), "cannot read (path)");
  EXPECT_EQ(shown("cannot read '/data/it's secret': no such file"), "cannot read '(path)': no such file");
  EXPECT_EQ(shown("cannot read /data/it's a \\\"secret\\\": no such file"), "cannot read (path): no such file");
  EXPECT_EQ(shown("cannot read /data/a:secret: no such file"), "cannot read (path): no such file");
  EXPECT_EQ(shown("cannot read /data/a: secret/x.npy: no such file"), "cannot read (path): no such file");
  EXPECT_EQ(shown("its folder /my home/runs/my secret/x is gone"), "its folder (path)");
  EXPECT_EQ(shown("{\"note\":\"/data/my secret\",\"left\":\"a/b.c\"}"), "{\"note\":\"(path)\",\"left\":\"a/b.c\"}");
  EXPECT_EQ(shown("{\"note\":\"/data/a \\\"b\\\" secret\"}"), "{\"note\":\"(path)\"}");
  EXPECT_EQ(shown("see /data/log\\nit ended"), "see (path)\\nit ended");
}

TEST(WithoutPaths, LeavesEverythingElse) {
  for (const char* text : {"{\"gang\":[\"n1/2:0\"],\"images/s\":1.5}", "9 / 10 and 9/10", "\"\\/\"", "/", "", "//",
                           "members/m/attempt-1/step-00000010"}) {
    EXPECT_EQ(WithoutPaths(text, kHome), text);
    EXPECT_EQ(WithoutPaths(text, "/"), text);
  }
}

}  // namespace
}  // namespace tutti::server
