#include "common/input_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/owned_descriptor.h"
#include "tests/support/temporary_folder.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr uint64_t kMany = 1 << 20;

// As a shell makes it for `<(…)`.
struct Pipe {
  Pipe() {
    int ends[2];
    TUTTI_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    read = OwnedDescriptor(ends[0]);
    write = OwnedDescriptor(ends[1]);
  }
  void Put(std::string_view text) {
    TUTTI_CHECK(::write(write.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  fs::path Path() const { return fmt::format("/dev/fd/{}", read.get()); }

  OwnedDescriptor read, write;
};

TEST(InputFile, RegularFileIsReadUpToItsEndOrTheBound) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "a") << "0123456789";
  EXPECT_EQ(ReadInput(folder / "a", kMany).value(), "0123456789");
  EXPECT_EQ(ReadInput(folder / "a", 4).value(), "0123");
}

TEST(InputFile, PipeIsReadUntilItsWriterHasEnded) {
  Pipe pipe;
  pipe.Put("version: 1\n");
  pipe.Put("name: t\n");
  pipe.write.Close();
  EXPECT_EQ(ReadInput(pipe.Path(), kMany).value(), "version: 1\nname: t\n");
}

TEST(InputFile, EmptyPipeWhoseWriterHasEndedIsEmpty) {
  Pipe pipe;
  pipe.write.Close();
  EXPECT_EQ(ReadInput(pipe.Path(), kMany).value(), "");
}

TEST(InputFile, WhatNeverEndsIsReadUpToTheBound) {
  EXPECT_EQ(ReadInput("/dev/zero", 100'000).value().size(), 100'000U);
}

TEST(InputFile, DeviceWithNothingInItIsEmpty) { EXPECT_EQ(ReadInput("/dev/null", kMany).value(), ""); }

TEST(InputFile, PipeWithoutAWriterIsNotWaitedForForEver) {
  const testing::TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto read = ReadInput(folder / "pipe", kMany, milliseconds(20));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(read.error().Text(), fmt::format("nothing has come from {} for 0.02 s; let a program write to it, and end",
                                             (folder / "pipe").string()));
}

TEST(InputFile, WriterThatFallsSilentIsNotWaitedForForEver) {
  Pipe pipe;
  pipe.Put("version: 1\n");
  EXPECT_EQ(ReadInput(pipe.Path(), kMany, milliseconds(20)).error().code, ErrorCode::kTimeout);
}

TEST(InputFile, FoldersAndWhatIsNotThereAreRefused) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(ReadInput(folder.path(), kMany).error().code, ErrorCode::kInvalid);
  const auto missing = ReadInput(folder / "missing", kMany);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().Text(), HasSubstr((folder / "missing").string()));
}

}  // namespace
}  // namespace tutti
