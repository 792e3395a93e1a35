#include "storage/fsck/disk_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::SizeIs;

class DiskUsageTest : public ::testing::Test {
 protected:
  void Write(const fs::path& path, size_t bytes) const {
    fs::create_directories((home_ / path).parent_path());
    std::ofstream(home_ / path, std::ios::binary) << std::string(bytes, 'x');
  }
  testing::TemporaryFolder home_;
};

TEST_F(DiskUsageTest, CountsEveryFileOfAnEnsembleAndOfEachMember) {
  Write("a-1/resolved.json", 10);
  Write("a-1/members/m0/attempt-1/step-00000010/model.safetensors", 1000);
  Write("a-1/members/m0/attempt-2/log.txt", 200);
  Write("a-1/members/m1/attempt-1/log.txt", 30);
  const auto usage = MeasureEnsemble(PosixFileSystem(), home_.path(), EnsembleId("a-1"));
  ASSERT_TRUE(usage) << usage.error().Text();
  EXPECT_EQ(usage->bytes, 1240U);
  ASSERT_THAT(usage->members, SizeIs(2));
  EXPECT_EQ(usage->members[0].member, "m0");
  EXPECT_EQ(usage->members[0].bytes, 1200U);
  EXPECT_EQ(usage->members[1].bytes, 30U);
}

TEST_F(DiskUsageTest, AnEnsembleWithoutFolderIsNotFound) {
  EXPECT_EQ(MeasureEnsemble(PosixFileSystem(), home_.path(), EnsembleId("a-1")).error().code, ErrorCode::kNotFound);
}

TEST_F(DiskUsageTest, AHomeHasEnsemblesACatalogAndACache) {
  Write("a-1/resolved.json", 10);
  Write("b-1/resolved.json", 20);
  Write("catalog/0001/catalog.db", 400);
  Write("cache/abc/data.bin", 5000);
  Write("notes/mine.txt", 7);
  const auto usage = MeasureHome(PosixFileSystem(), home_.path());
  ASSERT_TRUE(usage) << usage.error().Text();
  ASSERT_THAT(usage->ensembles, SizeIs(2));
  EXPECT_EQ(usage->ensembles[1].id, EnsembleId("b-1"));
  EXPECT_EQ(usage->ensembles[1].bytes, 20U);
  EXPECT_EQ(usage->catalog_bytes, 400U);
  EXPECT_EQ(usage->cache_bytes, 5000U);
  EXPECT_EQ(usage->other_bytes, 7U);
}

TEST_F(DiskUsageTest, WhatRemovalsLeftAndFoldersWithoutExperimentCountAsOther) {
  Write(".removing-a-1/members/m0/attempt-1/step-00000010/model.safetensors", 3000);
  Write("b-1/members/m0/attempt-1/log.txt", 40);
  Write("coordinator.log", 5);
  EXPECT_EQ(MeasureHome(PosixFileSystem(), home_.path())->other_bytes, 3045U);
}

TEST_F(DiskUsageTest, ALoopOfLinksEnds) {
  Write("a-1/resolved.json", 10);
  fs::create_directory_symlink(home_ / "a-1", home_ / "a-1/self");
  EXPECT_TRUE(MeasureEnsemble(PosixFileSystem(), home_.path(), EnsembleId("a-1")));
}

}  // namespace
}  // namespace tutti::storage
