// What is wrong with the file itself, before its keys are looked at.
#include <gmock/gmock.h>

#include <random>

#include "common/spec/render.h"
#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(YamlMistakes, EmptyFile) {
  EXPECT_THAT(Mistakes(""), ElementsAre("exp.yaml:1:1: nothing in it; see docs/experiment.md"));
  EXPECT_THAT(Mistakes("# a comment\n\n"), ElementsAre("exp.yaml:1:1: nothing in it; see docs/experiment.md"));
}

TEST(YamlMistakes, BytesThatAreNotUtf8) {
  EXPECT_THAT(Mistakes("version: 1\nname: a\xFF\n"), ElementsAre("exp.yaml:2:8: not UTF-8; save the file as UTF-8"));
  for (const std::string bad :
       {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80", "\xF0\x80\x80\x80"}) {
    EXPECT_THAT(Mistakes("name: " + bad), ElementsAre("exp.yaml:1:7: not UTF-8; save the file as UTF-8"));
  }
}

TEST(YamlMistakes, Utf16IsRefusedInWords) {
  using namespace std::string_literals;
  EXPECT_THAT(Mistakes("\xFF\xFEv\0e\0"s), ElementsAre("exp.yaml:1:1: not UTF-8; save the file as UTF-8"));
  EXPECT_THAT(Mistakes("v\0e\0"s),
              ElementsAre("exp.yaml:1:2: a control character (0x00); an experiment is plain text in "
                          "UTF-8"));
}

TEST(YamlMistakes, ColumnsCountCharactersNotBytes) {
  EXPECT_THAT(Mistakes(WithMember("training: {\"äöü\": 1}\n")),
              ElementsAre(StartsWith("exp.yaml:5:12: unknown key 'äöü' in training; allowed: ")));
  EXPECT_THAT(Mistakes("\xEF\xBB\xBFversion: 1\nname: \"äöü\" # ✓\ndata: {\"ä\": 1, path: 5, source: idx}\n"
                       "members: [{model: mlp}]\n"),
              ElementsAre(StartsWith("exp.yaml:2:7: name is the text \"äöü\"; allowed: "),
                          StartsWith("exp.yaml:3:8: unknown key 'ä' in data; allowed: ")));
}

TEST(YamlMistakes, HugeFile) {
  EXPECT_THAT(Mistakes(std::string((4 << 20) + 1, '#')),
              ElementsAre("exp.yaml:1:1: larger than an experiment can be; allowed: at most 4194304 bytes"));
}

TEST(YamlMistakes, TabInTheIndentation) {
  EXPECT_THAT(Mistakes("version: 1\ntraining:\n\tepochs: 3\n"),
              ElementsAre("exp.yaml:3:1: a tab in the indentation; indent with spaces"));
}

TEST(YamlMistakes, CarriageReturnWithoutALineFeed) {
  const std::string words = "a carriage return without a line feed; end lines with a line feed, or with both";
  EXPECT_THAT(Mistakes(WithHead("members:\n  - {model: mlp}\r")), ElementsAre("exp.yaml:5:17: " + words));
  EXPECT_THAT(Mistakes("version: 1\rname: t\r"), ElementsAre("exp.yaml:1:11: " + words));
  EXPECT_THAT(Mistakes("version: 1\r\nname: t\r\ndata: {source: idx, path: /d}\r\nmembers: [{model: mlp}]\r\n"),
              IsEmpty());
}

TEST(YamlMistakes, VariableWithoutQuotesWithinBrackets) {
  const std::string words =
      "a '${' outside of quotes; within { } and [ ] a value with ${VARIABLE} must stand in quotes";
  EXPECT_THAT(Mistakes("version: 1\nname: t\ndata: {source: idx, path: ${D}/small}\nmembers: [{model: mlp}]\n"),
              ElementsAre("exp.yaml:3:27: " + words));
  EXPECT_THAT(Mistakes("data: {path: /d/${D}, source: idx}\n"), ElementsAre("exp.yaml:1:17: " + words));
  EXPECT_THAT(Mistakes("data: [${D}/small]\n"), ElementsAre("exp.yaml:1:8: " + words));
  EXPECT_THAT(Mistakes(kHeadWithMember, {"data={path: ${D}/x}"}),
              ElementsAre("--set data={path: ${D}/x}: " + words + " (at character 8 of the value)"));
}

TEST(YamlMistakes, SecondDocument) {
  EXPECT_THAT(Mistakes(WithMember("---\nversion: 1\n")),
              ElementsAre("exp.yaml:6:1: a second document; an experiment is one, remove the '---' between them"));
}

TEST(YamlMistakes, SyntaxHasItsPlace) {
  EXPECT_THAT(Mistakes("version: 1\nname: t\n  data: 5\n"),
              ElementsAre("exp.yaml:3:7: a ':' where none can stand; quote the text, or begin a new line"));
  EXPECT_THAT(Mistakes("version: 1\nmembers: [{model: mlp]\n"), ElementsAre(StartsWith("exp.yaml:2:22: ")));
  EXPECT_THAT(Mistakes("version: 1\nname: \"open\ndata: 1\n"),
              ElementsAre("exp.yaml:2:7: a quote without its end; close it"));
  EXPECT_THAT(Mistakes("name: 'open\\"), ElementsAre(HasSubstr("a quote without its end; close it")));
  EXPECT_THAT(Mistakes("name: *nowhere\n"),
              ElementsAre("exp.yaml:1:7: an alias of an anchor that is not defined; define it before with '&'"));
}

TEST(YamlMistakes, Tags) {
  EXPECT_THAT(
      Mistakes(WithMember("training: !!python/object {epochs: 3}\n")),
      ElementsAre(AllOf(StartsWith("exp.yaml:5:11: a tag ('"), HasSubstr("tags are not used in an experiment"))));
  EXPECT_THAT(Mistakes(WithMember("training: {epochs: !!int 3}\n")),
              ElementsAre(StartsWith("exp.yaml:5:20: a tag ('")));
}

TEST(YamlMistakes, AliasesThatExpandToBillionsOfValues) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i <= 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int copy = 0; copy < 10; ++copy) bomb += (copy == 0 ? "" : ", ") + below;
    bomb += "]\n";
  }
  EXPECT_THAT(Mistakes(bomb),
              ElementsAre(AllOf(StartsWith("exp.yaml:6:10: "),
                                HasSubstr("more than 300000 values, anchors and aliases written out; an "
                                          "experiment needs far fewer"))));
}

TEST(YamlMistakes, NestedAnchorsThatEachKeepACopyOfAllThatIsWithin) {
  std::string nested, end;
  for (int i = 0; i < 60; ++i) {
    nested += "&a" + std::to_string(i) + " [";
    end += "]";
  }
  for (int i = 0; i < 20'000; ++i) nested += i == 0 ? "x" : ", x";
  EXPECT_THAT(Mistakes("a: " + nested + end + "\n"), ElementsAre(HasSubstr("more than 300000 values, anchors")));
}

TEST(YamlMistakes, MoreThanAnybodyReads) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const std::vector<std::string> mistakes = Mistakes(text);
  ASSERT_EQ(mistakes.size(), Problems::kMostMistakes + 1);
  EXPECT_THAT(mistakes.front(), StartsWith("exp.yaml:1:1: "));
  EXPECT_EQ(mistakes.back(), "there are more mistakes than these; correct them first");
}

TEST(YamlMistakes, AliasThatContainsItself) {
  EXPECT_THAT(Mistakes("members: &m [*m]\n"),
              ElementsAre("exp.yaml:1:14: an alias that contains itself; write the value out"));
}

TEST(YamlMistakes, NestingWithoutEnd) {
  for (const std::string bracket : {"[", "{a: ", "- "}) {
    std::string deep;
    for (int i = 0; i < 20000; ++i) deep += bracket;
    EXPECT_THAT(Mistakes(deep), ElementsAre(HasSubstr("nested deeper than 64 levels"))) << bracket;
  }
}

TEST(YamlMistakes, GarbageEndsInAMistakeNeverInACrash) {
  for (const std::string bad : {"?",     ":",     "-",       "&",       "*",        "!",       "|",
                                ">",     "%",     "@",       "`",       "{",        "}",       "[",
                                "]",     ",",     "'",       "\"",      "? ?\n? ?", "--- ---", "%YAML 9.9\n---\na: 1",
                                "{? a}", "!<tag", "a: b: c", "&a &b c", "...",      "<<: *x",  "- a\nb: 1"}) {
    EXPECT_THAT(Mistakes(bad), testing::Not(IsEmpty())) << bad;
  }
}

TEST(YamlMistakes, WhateverIsChangedInAnExperimentItEndsInAnEnsembleOrInMistakes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text(kExample);
    for (uint64_t change = random() % 4 + 1; change > 0; --change) {
      constexpr std::string_view kNasty = "{}[]:,&*!|>'\"%@`#-?~ \n\t0a\\.";
      const size_t at = random() % text.size();
      const char nasty = kNasty[random() % kNasty.size()];
      if (random() % 2 == 0) {
        text[at] = nasty;
      } else {
        text.insert(at, std::string(random() % 3 + 1, nasty));
      }
    }
    const ParseResult result = ParseText(text);
    ASSERT_TRUE(result || !result.error().empty()) << text;
    if (!result) continue;
    ASSERT_EQ(MustParse(RenderYaml(*result)), *result) << text;
  }
}

}  // namespace
}  // namespace tutti::spec::test
