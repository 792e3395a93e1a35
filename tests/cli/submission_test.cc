// An experiment and its files on their way to a real coordinator.
#include "cli/submission.h"

#include <gmock/gmock.h>

#include "common/network/sha256.h"
#include "common/spec/parse.h"
#include "coordinator/server/coordinator.h"
#include "coordinator/server/file_store.h"
#include "tests/cli/testing.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;

// A few pieces long.
const std::string kWeights(3'000'000, 'w');

class SubmissionTest : public testing::Test {
 protected:
  SubmissionTest() {
    server::CoordinatorOptions options;
    options.home = home();
    coordinator_ = server::Coordinator::Start(std::move(options)).value();
    folder_.Write("start.safetensors", kWeights);
    spec::ParseInput input;
    input.text =
        "version: 1\nname: small\ndata: {source: idx, path: /data}\n"
        "members: [{model: {name: mlp, weights: start.safetensors}}]\n";
    input.base_folder = folder_.path();
    experiment_.spec = spec::Parse(input).value();
  }
  std::filesystem::path home() const { return folder_.path() / "runs"; }
  Result<Client::Submitted> Send() {
    TUTTI_ASSIGN_OR_RETURN(const Client::Submission submission, SubmissionOf(experiment_));
    return SubmitWithFiles(client_, submission);
  }
  static std::string HashOf(const std::string& content) {
    network::Sha256 hash;
    hash.Update(std::as_bytes(std::span(content)));
    return hash.Digest();
  }
  std::string Copy() {
    return PosixFileSystem().Read(home() / "small-1" / spec::CopyOf(HashOf(kWeights))).value_or("(none)");
  }

  TemporaryFolder folder_;
  std::unique_ptr<server::Coordinator> coordinator_;
  Client client_{home(), std::chrono::seconds(10)};
  Experiment experiment_;
};

TEST_F(SubmissionTest, BringsItsFiles) {
  const auto submitted = Send();
  ASSERT_TRUE(submitted) << submitted.error().Text();
  EXPECT_EQ(submitted->outcome, "created");
  EXPECT_EQ(Copy(), kWeights);
}

TEST_F(SubmissionTest, GoesOnWithAFileThatWasCut) {
  ASSERT_TRUE(server::ReceiveFile(PosixFileSystem(), home(), HashOf(kWeights), kWeights.size(), 0,
                                  kWeights.substr(0, 1'000'001)));
  ASSERT_TRUE(Send());
  EXPECT_EQ(Copy(), kWeights);
}

TEST_F(SubmissionTest, BeginsAnewWhereSomethingElseCameBefore) {
  ASSERT_TRUE(server::ReceiveFile(PosixFileSystem(), home(), HashOf(kWeights), kWeights.size(), 0, "something else"));
  ASSERT_TRUE(Send());
  EXPECT_EQ(Copy(), kWeights);
}

TEST_F(SubmissionTest, SendsNothingForWhatIsThereAlready) {
  ASSERT_TRUE(Send());
  std::filesystem::remove_all(home() / "files");
  EXPECT_EQ(Send()->outcome, "continued");
  EXPECT_FALSE(std::filesystem::exists(home() / "files"));
}

TEST_F(SubmissionTest, OfAFileThatChangesMeanwhileFailsAndNamesIt) {
  const Client::Submission submission = SubmissionOf(experiment_).value();
  folder_.Write("start.safetensors", std::string(kWeights.size(), 'x'));
  const auto submitted = SubmitWithFiles(client_, submission);
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(submitted.error().Text(), HasSubstr("start.safetensors cannot be sent"));
}

}  // namespace
}  // namespace tutti::cli
