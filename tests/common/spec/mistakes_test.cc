// How mistakes are told: all at once, each once, with FILE:LINE:COLUMN: what is wrong; what is allowed.
#include <gmock/gmock.h>

#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

// ---- all at once, once each ----

TEST(Mistakes, AllAreToldInTheOrderOfTheFile) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: a b\ndata: {source: idx, path: /d, split_seed: -1}\ntrainin: {}\n"
               "members:\n  - {model: lenet, seeds: 0}\n  - {model: mlp, slots: 0}\nensemble: {combiner: sum}\n"),
      ElementsAre(StartsWith("exp.yaml:2:7: "), StartsWith("exp.yaml:3:43: "), StartsWith("exp.yaml:4:1: "),
                  StartsWith("exp.yaml:6:13: "), StartsWith("exp.yaml:6:27: "), StartsWith("exp.yaml:7:25: "),
                  StartsWith("exp.yaml:8:22: ")));
}

TEST(Mistakes, DefaultIsToldOnceHoweverManyMembersInheritIt) {
  EXPECT_THAT(Mistakes(WithHead("training: {epochs: -1}\nmembers: [{model: mlp, seeds: 9}, {model: lenet5}]\n")),
              ElementsAre("exp.yaml:4:20: training.epochs is '-1'; allowed: a whole number from 1 to 1000000"));
}

TEST(Mistakes, DefaultIsToldEvenWhereEveryMemberOverridesIt) {
  EXPECT_THAT(Mistakes(WithHead("training: {epochs: -1}\nmembers: [{model: mlp, training: {epochs: 3}}]\n")),
              SizeIs(1));
}

// ---- overrides ----

TEST(Mistakes, OfAnOverrideNameTheOverride) {
  EXPECT_THAT(
      Mistakes(kHeadWithMember, {"training.epochs=many", "training.epoch=3", "members.1.seeds=2"}),
      ElementsAre("--set training.epochs=many: training.epochs is 'many'; allowed: a whole number from 1 to 1000000",
                  StartsWith("--set training.epoch=3: unknown key 'epoch' in training (did you mean 'epochs'?)"),
                  "--set members.1.seeds=2: there is no members.1; allowed: members.0 to members.0"));
}

TEST(Mistakes, OverridesThatAreNone) {
  for (const std::string bad : {"", "training.epochs", "=3", ".a=1", "a.=1", "a..b=1", "training.epochs =3", "{a}=1"}) {
    EXPECT_THAT(Mistakes(kHeadWithMember, {bad}),
                ElementsAre("--set " + bad + ": not an override; allowed: KEY=VALUE in UTF-8, as in training.epochs=3"))
        << bad;
  }
  EXPECT_THAT(Mistakes(kHeadWithMember, {"a=\xFF"}), ElementsAre(StartsWith("--set: not an override; allowed: ")));
  EXPECT_THAT(
      Mistakes(kHeadWithMember, {"training={epochs: 3"}),
      ElementsAre("--set training={epochs: 3: a '{' without its '}'; close it, or separate its entries by ',' (at "
                  "character 1 of the value)"));
  EXPECT_THAT(
      Mistakes(kHeadWithMember, {"training.epochs="}),
      ElementsAre("--set training.epochs=: nothing in it; see docs/experiment.md (at character 1 of the value)"));
}

// ---- on a terminal ----

// What a file holds reaches a terminal as text, never as its codes.
TEST(Mistakes, ControlCharactersAreWrittenOut) {
  EXPECT_THAT(Mistakes("version: 1\nname: \"\\e[31mx\"\ndata: {source: idx, path: /d}\nmembers: [{model: mlp}]\n"),
              ElementsAre(StartsWith("exp.yaml:2:7: name is the text \"\\u001b[31mx\"; allowed: letters")));
  EXPECT_THAT(Mistakes(kHeadWithMember, {"\x1b=1"}), ElementsAre(StartsWith("--set \\u001b=1: not an override")));
  EXPECT_THAT(Mistakes(WithMember("\"\\x9b31m\": 1\n")), ElementsAre(HasSubstr("unknown key '\\u009b31m'")));
}

// ---- JSON ----

TEST(JsonMistakes, NameTheKey) {
  const auto message = [](const auto& result) { return result ? std::string("none") : result.error().message; };
  const EnsembleSpec spec = MustParse(kExample);

  Json data = ToJson(spec.data);
  data["validation"] = "some";
  EXPECT_EQ(message(DataFromJson(data)),
            "data.validation is the text \"some\"; allowed: a count or a fraction of the training part, or 0 for none");

  Json member = ToJson(spec.members[0]);
  member["training"]["optimizer"]["lr"] = -1;
  member.erase("model");
  EXPECT_EQ(message(MemberFromJson(member)),
            "members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20. training.optimizer.lr is "
            "'-1'; allowed: a number above 0");

  Json ensemble = ToJson(spec);
  ensemble.erase("version");
  EXPECT_EQ(message(EnsembleFromJson(ensemble)), "version is missing; allowed: 1");
  EXPECT_EQ(message(EnsembleFromJson(Json::array())), "the file is a list; allowed: a map");
  EXPECT_EQ(message(MemberFromJson(Json(5))),
            "members[] is '5'; allowed: a map. members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20");
}

TEST(JsonMistakes, MemberWithSeveralSeedsIsNotOne) { EXPECT_FALSE(MemberFromJson({{"model", "mlp"}, {"seeds", 2}})); }

}  // namespace
}  // namespace tutti::spec::test
