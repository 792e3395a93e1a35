// An experiment as the command line is given it: a file, or a pipe that stands for one.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "common/owned_descriptor.h"
#include "tests/common/spec/experiment.h"
#include "tests/support/temporary_folder.h"

namespace tutti::spec::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

constexpr std::string_view kRelative =
    "version: 1\nname: t\ndata: {source: idx, path: small}\nmembers: [{model: mlp}]\n";

std::vector<std::string> MistakesIn(const fs::path& file) {
  const auto parsed = ParseFile(file, {});
  return parsed ? std::vector<std::string>() : Texts(parsed.error());
}

TEST(ParseFile, RelativePathsStartAtTheFilesFolderAndItsTextIsKept) {
  const tutti::testing::TemporaryFolder folder;
  std::ofstream(folder / "exp.yaml") << kRelative;
  const auto parsed = ParseFile(folder / "exp.yaml", {});
  ASSERT_TRUE(parsed) << Texts(parsed.error()).front();
  EXPECT_EQ(parsed->spec.data.path, folder / "small");
  EXPECT_EQ(parsed->text, kRelative);
}

// `tutti validate <(…)`: the pipe can be read once, and /dev/fd is nobody's folder.
TEST(ParseFile, OfAPipeRelativePathsStartAtTheCurrentFolder) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const OwnedDescriptor read(ends[0]);
  OwnedDescriptor write(ends[1]);
  ASSERT_EQ(::write(write.get(), kRelative.data(), kRelative.size()), static_cast<ssize_t>(kRelative.size()));
  write.Close();
  const auto parsed = ParseFile(fmt::format("/dev/fd/{}", read.get()), {});
  ASSERT_TRUE(parsed) << Texts(parsed.error()).front();
  EXPECT_EQ(parsed->spec.data.path, fs::current_path() / "small");
  EXPECT_EQ(parsed->text, kRelative);
}

TEST(ParseFile, WhatCannotBeReadIsNamedOnce) {
  EXPECT_THAT(MistakesIn("/no/such/exp.yaml"), ElementsAre("cannot open /no/such/exp.yaml: No such file or directory"));
  EXPECT_THAT(MistakesIn("/tmp"), ElementsAre("cannot read /tmp: it is a folder"));
}

TEST(ParseFile, WhatNeverEndsIsTooLarge) {
  EXPECT_THAT(MistakesIn("/dev/zero"),
              ElementsAre("/dev/zero:1:1: larger than an experiment can be; allowed: at most 4194304 bytes"));
}

}  // namespace
}  // namespace tutti::spec::test
