#include "coordinator/server/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

EnsembleRecord At(int64_t milliseconds, const std::string& id, EnsembleState state = EnsembleState::kFinished) {
  EnsembleRecord record;
  record.id = EnsembleId(id);
  record.state = state;
  record.submitted_at = TimePoint(Duration(milliseconds));
  return record;
}

const std::vector<EnsembleRecord> kAll = {At(10, "a-1"), At(20, "a-2", EnsembleState::kRunning), At(20, "a-b-1"),
                                          At(30, "b-1", EnsembleState::kFailed)};

HttpRequest Asking(const std::string& query) { return ParseTarget(Method::kGet, "/api/v1/ensembles?" + query); }

std::vector<std::string> Ids(const Listing& listing) {
  std::vector<std::string> ids;
  for (const EnsembleRecord& ensemble : listing.ensembles) ids.push_back(ensemble.id.str());
  return ids;
}

std::vector<std::string> Shown(const std::string& query) {
  return Ids(SelectEnsembles(kAll, ParseListing(Asking(query)).value()));
}

TEST(Listing, IsAllNewestFirstUnlessAskedOtherwise) {
  EXPECT_THAT(Shown(""), ElementsAre("b-1", "a-b-1", "a-2", "a-1"));
  EXPECT_EQ(SelectEnsembles(kAll, {}).next, std::nullopt);
}

TEST(Listing, FiltersByStateAndByTheExperimentsName) {
  EXPECT_THAT(Shown("state=finished"), ElementsAre("a-b-1", "a-1"));
  EXPECT_THAT(Shown("name=a"), ElementsAre("a-2", "a-1"));
  EXPECT_THAT(Shown("name=a%2Db"), ElementsAre("a-b-1"));
  EXPECT_THAT(Shown("name=a&state=running"), ElementsAre("a-2"));
  EXPECT_THAT(Shown("name=c"), IsEmpty());
}

TEST(Listing, PagesShowEachOnceThoughNewOnesComeAndOldOnesGo) {
  const auto first = SelectEnsembles(kAll, ParseListing(Asking("limit=2")).value());
  EXPECT_THAT(Ids(first), ElementsAre("b-1", "a-b-1"));
  ASSERT_TRUE(first.next);
  const std::vector<EnsembleRecord> later = {kAll[0], kAll[1], At(40, "c-1")};  // the cursor's own is gone
  const auto second = SelectEnsembles(later, ParseListing(Asking("limit=2&after=" + *first.next)).value());
  EXPECT_THAT(Ids(second), ElementsAre("a-2", "a-1"));
  EXPECT_EQ(second.next, std::nullopt) << "no page is empty because the last was full";
}

TEST(Listing, RefusesWhatCannotBeAskedFor) {
  for (const char* query : {"state=glorious", "state=", "name=../x", "name=", "limit=0", "limit=1001", "limit=-1",
                            "limit=ten", "limit=", "after=", "after=a-1", "after=1", "after=1.", "after=.a-1",
                            "after=1.%2e%2e", "after=99999999999999999999.a-1"}) {
    const auto parsed = ParseListing(Asking(query));
    ASSERT_FALSE(parsed) << query;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid) << query;
  }
}

TEST(Listing, NamesTheStatesThatThereAre) {
  const auto parsed = ParseListing(Asking("state=glorious"));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().Text(),
            "state=glorious is no state of an ensemble: unknown name 'glorious'; there are: running, finished, "
            "incomplete, failed, cancelled, stopped, removing");
}

TEST(ParseTarget, DecodesTheQueryAlone) {
  const HttpRequest request = ParseTarget(Method::kGet, "/a%2Fb/c?x%20y=1%2B1+2&bad=%zz%2&end=%");
  EXPECT_THAT(request.segments, ElementsAre("a%2Fb", "c"));
  EXPECT_EQ(request.query.at("x y"), "1+1 2");
  EXPECT_EQ(request.query.at("bad"), "%zz%2") << "what is no escape stays";
  EXPECT_EQ(request.query.at("end"), "%");
}

}  // namespace
}  // namespace tutti::server
