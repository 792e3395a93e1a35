// An experiment as the command line is given it: a file, or a pipe that stands for one.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "common/owned_descriptor.h"
#include "common/spec/experiment_files.h"
#include "common/spec/render.h"
#include "tests/common/spec/experiment.h"
#include "tests/common/tensors/files.h"
#include "tests/support/temporary_folder.h"

namespace tutti::spec::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

// ---- files that travel with it ----

class WithWeights : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) { std::ofstream(folder_ / name) << content; }
  std::vector<std::string> Mistakes(const std::string& weights) {
    Write("exp.yaml",
          std::string(kHead) + "members:\n  - model: {name: mlp, weights: " + weights + "}\n    seeds: 3\n");
    return MistakesIn(folder_ / "exp.yaml");
  }
  std::string At(const std::string& name) { return (folder_ / name).string(); }
  std::string Place() { return At("exp.yaml") + ":5:33: members[].model.weights names "; }
  tutti::testing::TemporaryFolder folder_;
};

TEST_F(WithWeights, OnesThatAreThereAreNamedByTheirWholePath) {
  Write("start.safetensors", tensors::FileOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  ASSERT_THAT(Mistakes("start.safetensors"), ElementsAre());
  const EnsembleSpec spec = ParseFile(folder_ / "exp.yaml", {})->spec;
  EXPECT_THAT(FilesOf(spec), ElementsAre(folder_ / "start.safetensors"));
  EXPECT_EQ(MustParse(RenderYaml(spec)), spec);
}

TEST_F(WithWeights, OnesThatCannotBeUsedAreAMistakeOfTheFile) {
  EXPECT_THAT(Mistakes("none.safetensors"),
              ElementsAre(Place() + At("none.safetensors") + ", which cannot be used: cannot open " +
                          At("none.safetensors") + ": No such file or directory; allowed: a safetensors file"));
  EXPECT_THAT(Mistakes("."), ElementsAre(HasSubstr("it is a folder, no regular file; allowed: a safetensors file")));
  Write("notes.txt", "0123456789 these are words");
  EXPECT_THAT(Mistakes("notes.txt"), ElementsAre(HasSubstr("not a safetensors file")));
  Write("cut.safetensors", tensors::FileOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1));
  EXPECT_THAT(Mistakes("cut.safetensors"), ElementsAre(HasSubstr("not a safetensors file")));
}

TEST_F(WithWeights, OnesThatAreTooLargeToTravelAreAMistakeOfTheFile) {
  const std::string size = std::to_string(kLargestExperimentFile);
  Write("large.safetensors",
        tensors::FileOf(R"({"a":{"dtype":"U8","shape":[)" + size + R"(],"data_offsets":[0,)" + size + "]}}", 0));
  fs::resize_file(folder_ / "large.safetensors", fs::file_size(folder_ / "large.safetensors") + kLargestExperimentFile);
  EXPECT_THAT(Mistakes("large.safetensors"), ElementsAre(HasSubstr("; allowed: at most 2147483648")));
}

const std::string kHash(64, 'a');

EnsembleSpec TwoWithWeights() {
  return MustParse(WithHead("members:\n  - {model: {name: mlp, weights: one}, seeds: 2}\n  - {model: lenet5}\n"));
}

TEST(WithCopies, AnExperimentIsTheSameWhereverItsFilesLie) {
  const EnsembleSpec copied = WithCopies(TwoWithWeights(), {{"/base/one", kHash}}).value();
  EXPECT_EQ(copied.members[0].weights, "files/" + kHash + ".safetensors");
  EXPECT_EQ(copied.members[1].weights, copied.members[0].weights);
  EXPECT_EQ(copied.members[2].weights, std::nullopt);
  EnsembleSpec moved = TwoWithWeights();
  for (int i : {0, 1}) moved.members[static_cast<size_t>(i)].weights = "/elsewhere/two";
  EXPECT_EQ(WithCopies(moved, {{"/elsewhere/two", kHash}}).value(), copied);
  EXPECT_NE(WithCopies(moved, {{"/elsewhere/two", std::string(64, 'b')}}).value(), copied);
}

TEST(WithCopies, OfFilesThatAreNotKnownAreRefused) {
  EXPECT_THAT(WithCopies(TwoWithWeights(), {}).error().message, HasSubstr("names the file /base/one"));
  EXPECT_THAT(WithCopies(TwoWithWeights(), {{"/base/one", kHash}, {"/base/x", kHash}}).error().message,
              HasSubstr("names no file /base/x"));
  for (const std::string hash : {"", "../../../x", "abc"}) {
    EXPECT_THAT(WithCopies(TwoWithWeights(), {{"/base/one", hash}}).error().message, HasSubstr("is no SHA-256"))
        << hash;
  }
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
