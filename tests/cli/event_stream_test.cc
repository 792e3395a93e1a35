// Events of a coordinator: taken off the stream however it is cut, and asked for over real connections.
#include "cli/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/server/coordinator.h"
#include "tests/support/temporary_folder.h"

namespace tutti::cli {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kTwoEvents =
    "id: 3-1\nevent: start\ndata: {}\n\n: alive\n\nid: 3-2\nevent: change\ndata: {\"text\":\"a\"}\n\n";

TEST(EventParser, TakesEventsAndLeavesSignsOfLife) {
  const auto events = EventParser().Take(kTwoEvents);
  ASSERT_TRUE(events);
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ((*events)[0].kind, "start");
  EXPECT_EQ((*events)[1].id, "3-2");
  EXPECT_EQ((*events)[1].data["text"], "a");
}

TEST(EventParser, TakesThemFromAnyPieces) {
  for (size_t size = 1; size < 40; ++size) {
    EventParser parser;
    std::vector<std::string> kinds;
    const std::string_view whole = kTwoEvents;
    for (size_t at = 0; at < whole.size(); at += size) {
      const auto events = parser.Take(whole.substr(at, size));
      ASSERT_TRUE(events);
      for (const ServerEvent& event : *events) kinds.push_back(event.kind);
    }
    EXPECT_EQ(kinds, (std::vector<std::string>{"start", "change"})) << size;
  }
}

TEST(EventParser, RefusesWhatIsNone) {
  EXPECT_EQ(EventParser().Take("event: change\ndata: {\n\n").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(EventParser().Take(std::string(size_t{5} << 20, 'x')).error().code, ErrorCode::kInvalid);
}

class EventStreamTest : public ::testing::Test {
 protected:
  void Serve() {
    server::CoordinatorOptions options;
    options.home = folder_.path();
    options.api.beat = Duration(10);
    coordinator_ = server::Coordinator::Start(std::move(options)).value();
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<server::Coordinator> coordinator_;
};

TEST_F(EventStreamTest, BeginsWithWhereThingsStandAndEndsWithTheCoordinator) {
  Serve();
  auto stream = EventStream::Open(folder_.path(), "/api/v1/events");
  ASSERT_TRUE(stream) << stream.error().Text();
  const auto first = stream->Next(std::chrono::seconds(60));
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->kind, "start");
  const auto nothing = stream->Next(Duration(50));
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing) << "signs of life are no events";
  coordinator_->RequestStop();
  EXPECT_EQ(stream->Next(std::chrono::seconds(60)).error().code, ErrorCode::kUnreachable);
}

TEST_F(EventStreamTest, TellsWhyThereIsNone) {
  EXPECT_EQ(EventStream::Open(folder_.path(), "/api/v1/events").error().code, ErrorCode::kUnreachable);
  Serve();
  EXPECT_EQ(EventStream::Open(folder_.path(), "/api/v1/ensembles/small-1/events").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(EventStream::Open(folder_.path(), "/api/v1/events", "nonsense").error().code, ErrorCode::kInvalid);
}

TEST_F(EventStreamTest, OnlySoManyWatchTheHome) {
  Serve();
  std::vector<EventStream> streams;
  for (size_t i = 0; i < server::ApiLimits().watchers; ++i) {
    auto stream = EventStream::Open(folder_.path(), "/api/v1/events");
    ASSERT_TRUE(stream) << i << ": " << stream.error().Text();
    streams.push_back(std::move(*stream));
  }
  EXPECT_EQ(EventStream::Open(folder_.path(), "/api/v1/events").error().code, ErrorCode::kUnreachable);
}

}  // namespace
}  // namespace tutti::cli
