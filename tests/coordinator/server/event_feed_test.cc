// Events for watchers: nothing is missed without being told, and nothing grows.
#include "coordinator/server/event_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json.h"

namespace tutti::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

const EnsembleId kOne("small-1");
const EnsembleId kTwo("small-2");

// What a stream has told so far.
struct Watcher {
  explicit Watcher(std::shared_ptr<BodyStream> of) : stream(std::move(of)) { Listen(); }

  void Listen() {
    stream->Next([this](std::string piece) {
      waits = false;
      ended = piece.empty();
      told += piece;
      last = std::move(piece);
    });
  }
  // Those of the events that it was told.
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (size_t at = told.find("data: "); at != std::string::npos; at = told.find("data: ", at + 1)) {
      const Json data = ParseJson(std::string_view(told).substr(at + 6, told.find('\n', at) - at - 6)).value();
      if (data.contains("text")) texts.push_back(data["text"]);
    }
    return texts;
  }

  std::shared_ptr<BodyStream> stream;
  std::string told, last;
  bool waits = true;
  bool ended = false;
};

struct Feed : EventFeed {
  using EventFeed::EventFeed;
  void Say(const EnsembleId& ensemble, const std::string& text) {
    Publish(TimePoint(), ensemble, text);
    Tell();
  }
};

TEST(EventFeed, TellsANewcomerWhereItStandsAndWhatComes) {
  Feed feed({3});
  feed.Say(kOne, "long ago");
  Watcher watcher(feed.Follow(std::nullopt, std::nullopt));
  EXPECT_EQ(watcher.told, "id: 3-1\nevent: start\ndata: {}\n\n");
  watcher.Listen();
  feed.Say(kTwo, "now");
  EXPECT_EQ(watcher.last,
            "id: 3-2\nevent: change\ndata: "
            R"({"time":"1970-01-01T00:00:00.000Z","ensemble":"small-2","text":"now"})"
            "\n\n");
}

TEST(EventFeed, TellsOneThatComesAgainWhatItMissed) {
  Feed feed({3});
  for (const char* text : {"a", "b", "c"}) feed.Say(kOne, text);
  EXPECT_THAT(Watcher(feed.Follow(FeedPosition{{3}, 1}, std::nullopt)).Texts(), ElementsAre("b", "c"));
}

TEST(EventFeed, TellsOfOneEnsembleAlone) {
  Feed feed({3});
  Watcher watcher(feed.Follow(FeedPosition{{3}, 0}, kTwo));
  feed.Say(kOne, "a");
  EXPECT_TRUE(watcher.waits);
  feed.Say(kTwo, "b");
  EXPECT_THAT(watcher.Texts(), ElementsAre("b"));
}

TEST(EventFeed, TellsOneThatWasTooSlowThatItLostEvents) {
  Feed feed({3}, 2);
  for (const char* text : {"a", "b", "c", "d"}) feed.Say(kOne, text);
  EXPECT_THAT(Watcher(feed.Follow(FeedPosition{{3}, 2}, std::nullopt)).Texts(), ElementsAre("c", "d"));
  const Watcher slow(feed.Follow(FeedPosition{{3}, 1}, std::nullopt));
  EXPECT_THAT(slow.told, StartsWith("id: 3-4\nevent: reset\n"));
  EXPECT_THAT(slow.Texts(), ElementsAre(HasSubstr("look at the state anew")));
}

TEST(EventFeed, TellsOneOfAnotherGenerationToLookAnew) {
  Feed feed({3});
  feed.Say(kOne, "a");
  for (const FeedPosition& position : {FeedPosition{{2}, 1}, FeedPosition{{2}, 100}, FeedPosition{{3}, 2}}) {
    EXPECT_THAT(Watcher(feed.Follow(position, std::nullopt)).told, StartsWith("id: 3-1\nevent: reset\n"));
  }
}

TEST(EventFeed, CutsALongBacklogIntoPieces) {
  Feed feed({1});
  for (int i = 0; i < 1000; ++i) feed.Publish(TimePoint(), kOne, std::string(1000, 'x'));
  Watcher watcher(feed.Follow(FeedPosition{{1}, 0}, std::nullopt));
  while (!watcher.waits) {
    EXPECT_LT(watcher.last.size(), 100'000U);
    watcher.waits = true;
    watcher.Listen();
  }
  EXPECT_THAT(watcher.Texts(), SizeIs(1000));
}

TEST(EventFeed, GivesSignsOfLifeToThoseWhoWait) {
  Feed feed({1});
  Watcher watcher(feed.Follow(FeedPosition{{1}, 0}, std::nullopt));
  feed.Beat();
  EXPECT_THAT(watcher.told, StartsWith(":"));
  EXPECT_THAT(watcher.Texts(), IsEmpty());
}

TEST(EventFeed, TellsWhatIsNoUtf8AsWellAsItCan) {
  Feed feed({1});
  Watcher watcher(feed.Follow(FeedPosition{{1}, 0}, std::nullopt));
  feed.Say(kOne, "cannot read /data/\xff");
  EXPECT_THAT(watcher.Texts(), ElementsAre(HasSubstr("cannot read /data/")));
}

TEST(EventFeed, EndsItsStreams) {
  Feed feed({1});
  Watcher watcher(feed.Follow(FeedPosition{{1}, 0}, std::nullopt));
  feed.Close();
  EXPECT_TRUE(watcher.ended);
  EXPECT_TRUE(Watcher(feed.Follow(std::nullopt, std::nullopt)).ended);
}

TEST(EventFeed, TellsAStreamThatIsGoneNothing) {
  Feed feed({1});
  bool told = false;
  feed.Follow(FeedPosition{{1}, 0}, std::nullopt)->Next([&](const std::string&) { told = true; });
  feed.Beat();
  feed.Follow(FeedPosition{{1}, 0}, std::nullopt)->Next([&](const std::string&) { told = true; });
  feed.Close();
  EXPECT_FALSE(told);
}

TEST(EventFeed, ReadsPositions) {
  EXPECT_EQ(FeedPosition::Parse("3-17").value().Text(), "3-17");
  for (const char* wrong : {"", "3", "-", "3-", "-17", "a-1", "1-a", "1--1", "1-2-3", "99999999999999999999-1"}) {
    EXPECT_EQ(FeedPosition::Parse(wrong).error().code, ErrorCode::kInvalid) << wrong;
  }
}

}  // namespace
}  // namespace tutti::server
