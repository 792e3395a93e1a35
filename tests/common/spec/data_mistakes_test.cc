// What is wrong with the data that members learn from.
#include <gmock/gmock.h>

#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(DataMistakes, PartsOfTheDataThatAreNeitherCountNorFraction) {
  for (const std::string bad : {"-1", "1.5", "1.0", "0.0", "all", "[5]", "nan", ".nan", "-.inf", "1.2.3"}) {
    EXPECT_THAT(Mistakes("version: 1\nname: t\ndata:\n  source: idx\n  path: /d\n  validation: " + bad +
                         "\nmembers: [{model: mlp}]\n"),
                ElementsAre(AllOf(StartsWith("exp.yaml:6:15: data.validation is "),
                                  HasSubstr("; allowed: a count or a fraction of the training part, or 0 for none"))))
        << bad;
  }
}

TEST(DataMistakes, PathWhereOnlyCountsWorkSaysThatItIsNotSupported) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, validation: held/out, test: ./t10k, calibration: "
               "~/c}\nmembers: [{model: mlp}]\n"),
      ElementsAre("exp.yaml:3:43: data.validation is a path ('held/out'), which source idx does not take; allowed: "
                  "a count or a fraction of the training part, or 0 for none",
                  "exp.yaml:3:59: data.test is a path ('./t10k'), which source idx does not take; allowed: source, "
                  "none, or a count taken from the training part",
                  "exp.yaml:3:80: data.calibration is a path ('~/c'), which source idx does not take; allowed: "
                  "none, a count or a fraction of the training part"));
}

// Members would train for hours, and then there would be nothing to combine.
TEST(DataMistakes, NeitherValidationNorTest) {
  const auto mistakes = [](const std::string& parts, std::vector<std::string> overrides = {}) {
    return Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, " + parts + "}\nmembers: [{model: mlp}]\n",
                    std::move(overrides));
  };
  const std::string words =
      "data.validation is 0 and data.test is none, so that the members would have nothing to answer together; "
      "allowed: samples in one of them at least";
  EXPECT_THAT(mistakes("validation: 0, test: none"), ElementsAre("exp.yaml:3:52: " + words));
  EXPECT_THAT(mistakes("test: none, validation: 0"), ElementsAre("exp.yaml:3:55: " + words));
  EXPECT_THAT(mistakes("validation: -0, test: none, calibration: 2000"), ElementsAre("exp.yaml:3:53: " + words));
  EXPECT_THAT(mistakes("validation: 0", {"data.test=none"}), ElementsAre("--set data.test=none: " + words));
  EXPECT_THAT(mistakes("validation: 0, test: 10"), IsEmpty());
  EXPECT_THAT(mistakes("validation: 10, test: none"), IsEmpty());
  EXPECT_THAT(mistakes("validation: 0, test: 0"),
              ElementsAre("exp.yaml:3:52: data.test is '0'; allowed: source, none, or a count taken from the training "
                          "part"));
}

TEST(DataMistakes, CalibrationOfNothing) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, calibration: 0}\nmembers: [{model: mlp}]\n"),
      ElementsAre("exp.yaml:3:44: data.calibration is '0'; allowed: none, a count or a fraction of the training "
                  "part"));
}

TEST(DataMistakes, PathsThatCannotBeResolved) {
  const auto mistakes = [](const std::string& path, Variables variables = {}) {
    return Mistakes("version: 1\nname: t\ndata: {source: idx, path: \"" + path + "\"}\nmembers: [{model: mlp}]\n", {},
                    std::move(variables));
  };
  EXPECT_THAT(mistakes("${DATA}/x"),
              ElementsAre("exp.yaml:3:27: data.path contains ${DATA}, which is not set; allowed: variables of the "
                          "environment, set DATA or write the path out"));
  EXPECT_THAT(mistakes("~/x"), ElementsAre(HasSubstr("data.path contains ${HOME}, which is not set")));
  EXPECT_THAT(mistakes("~other/x"),
              ElementsAre("exp.yaml:3:27: data.path begins with '~other'; allowed: '~' for your own "
                          "home, or the path written out"));
  for (const std::string bad : {"${DATA", "${}", "${a b}", "${1}"}) {
    EXPECT_THAT(mistakes(bad),
                ElementsAre("exp.yaml:3:27: data.path has a '${' that begins no variable; allowed: ${NAME} "
                            "with letters, digits and '_'"))
        << bad;
  }
  EXPECT_THAT(
      mistakes("${DATA}", {{"DATA", "a\xFF"}}),
      ElementsAre("exp.yaml:3:27: data.path contains ${DATA}, whose value is no plain path; allowed: UTF-8 without "
                  "'${'"));
  EXPECT_THAT(mistakes("${DATA}", {{"DATA", "${DATA}"}}), ElementsAre(HasSubstr("whose value is no plain path")));
  EXPECT_THAT(mistakes(""), ElementsAre("exp.yaml:3:27: data.path is the text \"\"; allowed: a path"));
}

}  // namespace
}  // namespace tutti::spec::test
