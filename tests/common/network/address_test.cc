#include "common/network/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::network {
namespace {

TEST(Address, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(Address::Parse("127.0.0.1:0").value(), (Address{"127.0.0.1", 0, true}));
  EXPECT_EQ(Address::Parse("[::1]:65535").value(), (Address{"::1", 65535, true}));
}

TEST(Address, MeansTlsUnlessItSaysOtherwise) {
  EXPECT_EQ(Address::Parse("login1:7350").value(), (Address{"login1", 7350, true}));
  EXPECT_EQ(Address::Parse("http://login1:7350").value(), (Address{"login1", 7350, false}));
  EXPECT_EQ(Address::Parse("https://localhost:7350").value(), (Address{"localhost", 7350, true}));
}

TEST(Address, IsWrittenAsItIsRead) {
  for (const char* text : {"https://login1.cluster:7350", "http://10.0.0.7:1", "https://[fe80::1]:80"}) {
    EXPECT_EQ(Address::Parse(text).value().Text(), text);
  }
}

TEST(Address, WhatIsNoneIsNamed) {
  for (const char* text : {"", "login1", ":80", "login1:", "login1:x", "login1:65536", "login1:-1", "::1:80", "[::1]",
                           "ftp://login1:80", "https://login1", "a b:80", "user@login1:80"}) {
    const auto address = Address::Parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(address.error().Text(), testing::HasSubstr("HOST:PORT"));
  }
}

TEST(Address, KnowsWhatIsHeardOnThisMachineAlone) {
  EXPECT_TRUE((Address{"localhost", 1, false}).IsLoopback());
  EXPECT_TRUE((Address{"127.3.2.1", 1, false}).IsLoopback());
  EXPECT_TRUE((Address{"::1", 1, false}).IsLoopback());
  EXPECT_FALSE((Address{"0.0.0.0", 1, false}).IsLoopback());
  EXPECT_FALSE((Address{"login1", 1, false}).IsLoopback());
}

}  // namespace
}  // namespace tutti::network
