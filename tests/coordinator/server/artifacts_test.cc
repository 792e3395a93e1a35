#include "coordinator/server/artifacts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "coordinator/server/byte_range.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string Text(const AskedRange& range) {
  if (std::holds_alternative<WholeFile>(range)) return "whole";
  if (std::holds_alternative<NoSuchRange>(range)) return "none";
  return fmt::format("{}-{}", std::get<ByteRange>(range).first, std::get<ByteRange>(range).last);
}

TEST(ParseRange, FollowsRfc9110) {
  EXPECT_EQ(Text(ParseRange("bytes=0-4", 10)), "0-4");
  EXPECT_EQ(Text(ParseRange("bytes=5-", 10)), "5-9");
  EXPECT_EQ(Text(ParseRange("bytes=-3", 10)), "7-9");
  EXPECT_EQ(Text(ParseRange("bytes=-30", 10)), "0-9");
  EXPECT_EQ(Text(ParseRange("bytes=9-99999999999", 10)), "9-9");
  EXPECT_EQ(Text(ParseRange("bytes=10-", 10)), "none");
  EXPECT_EQ(Text(ParseRange("bytes=-0", 10)), "none");
  EXPECT_EQ(Text(ParseRange("bytes=0-", 0)), "none");
  EXPECT_EQ(Text(ParseRange("bytes=-5", 0)), "none");
}

TEST(ParseRange, PassesOverWhatItDoesNotKnow) {
  for (const char* header : {"", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2",
                             "bytes=99999999999999999999-", "bytes=--1", "bytes=1 -2", "bytes=+1-2"}) {
    EXPECT_EQ(Text(ParseRange(header, 10)), "whole") << header;
  }
}

class DownloadTest : public ::testing::Test {
 protected:
  HttpResponse Get(std::string_view range, const std::string& content = "0123456789") {
    TUTTI_CHECK(WriteFileDurably(PosixFileSystem(), folder_ / "f", content));
    return Download(PosixFileSystem(), folder_ / "f", range);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(DownloadTest, GivesTheWholeOrThePart) {
  const HttpResponse whole = Get("");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, "0123456789");
  EXPECT_THAT(whole.headers, Contains(Pair("Accept-Ranges", "bytes")));
  const HttpResponse part = Get("bytes=2-4");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_THAT(part.headers, Contains(Pair("Content-Range", "bytes 2-4/10")));
  const HttpResponse none = Get("bytes=10-");
  EXPECT_EQ(none.status, 416);
  EXPECT_THAT(none.headers, Contains(Pair("Content-Range", "bytes */10")));
  EXPECT_EQ(Download(PosixFileSystem(), folder_ / "gone", "").status, 404);
}

TEST_F(DownloadTest, HoldsNoMoreThanItsLimitInMemory) {
  const std::string longer(kLongestDownload + 5, 'x');
  const HttpResponse refused = Get("", longer);
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("ranges"));
  const HttpResponse cut = Get("bytes=1-", longer);
  EXPECT_EQ(cut.body.size(), kLongestDownload);
  EXPECT_THAT(cut.headers,
              Contains(Pair("Content-Range", fmt::format("bytes 1-{}/{}", kLongestDownload, kLongestDownload + 5))));
}

TEST(Artifacts, OfAWorkersInventedPathAreNone) {
  Records records;
  PredictionRecord prediction;
  prediction.attempt = {{EnsembleId("a-1"), "m"}, 1};
  prediction.file = "../../etc/passwd";
  records.predictions = {prediction};
  EXPECT_TRUE(ArtifactsOf(records, EnsembleId("a-1")).empty());
}

TEST(Artifacts, OfOneEnsembleAreItsOwn) {
  Records records;
  CheckpointRecord checkpoint;
  checkpoint.attempt = {{EnsembleId("a-1"), "m"}, 1};
  records.checkpoints = {checkpoint};
  EXPECT_EQ(ArtifactsOf(records, EnsembleId("a-1")).size(), 3U);
  EXPECT_TRUE(ArtifactsOf(records, EnsembleId("a-2")).empty());
  records.checkpoints[0].state = CheckpointState::kDeleting;
  EXPECT_TRUE(ArtifactsOf(records, EnsembleId("a-1")).empty()) << "it is about to go";
}

}  // namespace
}  // namespace tutti::server
