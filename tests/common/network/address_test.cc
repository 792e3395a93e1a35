#include "common/network/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::network {
namespace {

TEST(Address, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(Address::Parse("login1:7350").value(), (Address{"login1", 7350}));
  EXPECT_EQ(Address::Parse("127.0.0.1:0").value(), (Address{"127.0.0.1", 0}));
  EXPECT_EQ(Address::Parse("[::1]:65535").value(), (Address{"::1", 65535}));
}

TEST(Address, IsWrittenAsItIsRead) {
  for (const char* text : {"login1.cluster:7350", "10.0.0.7:1", "[fe80::1]:80"}) {
    EXPECT_EQ(Address::Parse(text).value().Text(), text);
  }
}

TEST(Address, WhatIsNoneIsNamed) {
  for (const char* text : {"", "login1", ":80", "login1:", "login1:x", "login1:65536", "login1:-1", "::1:80", "[::1]",
                           "http://login1:80", "a b:80", "user@login1:80"}) {
    const auto address = Address::Parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(address.error().Text(), testing::HasSubstr("HOST:PORT"));
  }
}

TEST(Address, KnowsWhatIsHeardOnThisMachineAlone) {
  EXPECT_TRUE((Address{"localhost", 1}).IsLoopback());
  EXPECT_TRUE((Address{"127.3.2.1", 1}).IsLoopback());
  EXPECT_TRUE((Address{"::1", 1}).IsLoopback());
  EXPECT_FALSE((Address{"0.0.0.0", 1}).IsLoopback());
  EXPECT_FALSE((Address{"login1", 1}).IsLoopback());
}

}  // namespace
}  // namespace tutti::network
