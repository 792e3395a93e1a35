#include "cli/ranks/messages.h"

#include <gmock/gmock.h>

#include "common/json.h"
#include "common/network/secret.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;

const Arrival kArrival{"n1", "boot-1", "boot-1 net:[1]", {{0, 1, 7}, {"GPU-a"}}};
const Offer kOffer{"n1", 4, uint64_t{6} << 30, std::nullopt};

Invitation SomeInvitation() {
  return {{"10.0.0.1", "n1"}, 7350, network::MakeSecret(), "3f5a", worker::Launcher::kMpirun, "launch-1"};
}

TEST(Messages, ArriveAsTheyWereSent) {
  EXPECT_EQ(DecodeArrival(Encode(kArrival)).value(), kArrival);
  EXPECT_EQ(DecodeOffer(Encode(kOffer)).value(), kOffer);
  Offer refusal = kOffer;
  refusal.refusal = "it has \"no\" trainer";
  EXPECT_EQ(DecodeOffer(Encode(refusal)).value(), refusal);
  const Invitation invitation = SomeInvitation();
  EXPECT_EQ(DecodeWord(Encode(Word(invitation))).value(), Word(invitation));
  EXPECT_EQ(DecodeWord(Encode(Word(Dismissal{5}))).value(), Word(Dismissal{5}));
}

TEST(Messages, OfAnotherReleaseAreNamedAsSuch) {
  Json message = *ParseJson(Encode(kOffer));
  message["version"] = kMeetingVersion + 1;
  const auto read = DecodeOffer(message.dump());
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("different versions of tutti"));
}

// Whatever is taken from a message or put wrongly into it, reading it is an error and nothing worse.
TEST(Messages, WithoutAPartOrWithAWrongOneAreRefused) {
  const Json invitation = *ParseJson(Encode(Word(SomeInvitation())));
  for (const auto& [key, value] : invitation.items()) {
    Json without = invitation, wrong = invitation;
    without.erase(key);
    EXPECT_FALSE(DecodeWord(without.dump())) << key;
    wrong[key] = Json::object();
    EXPECT_FALSE(DecodeWord(wrong.dump())) << key;
  }
  const Json arrival = *ParseJson(Encode(kArrival));
  for (const auto& [key, value] : arrival.items()) {
    Json without = arrival;
    without.erase(key);
    EXPECT_FALSE(DecodeArrival(without.dump())) << key;
  }
  for (const char* text : {"", "{", "[]", "null", "7", R"({"version": 1})"}) {
    EXPECT_FALSE(DecodeWord(text)) << text;
    EXPECT_FALSE(DecodeArrival(text)) << text;
    EXPECT_FALSE(DecodeOffer(text)) << text;
  }
}

TEST(Messages, ThatLeadNowhereAreRefused) {
  Invitation nowhere = SomeInvitation();
  nowhere.hosts.clear();
  EXPECT_FALSE(DecodeWord(Encode(Word(nowhere))));
  Json message = *ParseJson(Encode(Word(SomeInvitation())));
  for (const int port : {0, -1, 65'536}) {
    message["port"] = port;
    EXPECT_FALSE(DecodeWord(message.dump())) << port;
  }
  Invitation open = SomeInvitation();
  open.token = "short";
  EXPECT_FALSE(DecodeWord(Encode(Word(open))));
}

}  // namespace
}  // namespace tutti::cli
