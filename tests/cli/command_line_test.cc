// What a user types, and what the program makes of it before anything runs.
#include "cli/command_line.h"

#include <gmock/gmock.h>

#include "tests/cli/testing.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(CommandLine, HelpListsTheSubcommandsThatPeopleCall) {
  const Outcome help = RunProgram("--help");
  EXPECT_EQ(help.exit_code, 0);
  for (const char* name :
       {"run", "resume", "validate", "list", "show", "watch", "logs", "why", "cancel", "rm", "du", "fsck"}) {
    EXPECT_THAT(help.output, HasSubstr(std::string("\n  ") + name + " "));
  }
  EXPECT_THAT(help.output, Not(HasSubstr("rank")));
  EXPECT_THAT(help.output, HasSubstr("Exit codes:"));
}

TEST(CommandLine, EverySubcommandExplainsItself) {
  for (const char* name :
       {"run", "resume", "validate", "list", "show", "watch", "logs", "why", "cancel", "rm", "du", "fsck", "rank"}) {
    const Outcome help = RunProgram(std::string(name) + " --help");
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_THAT(help.output, HasSubstr("Usage: tutti " + std::string(name)));
  }
}

TEST(CommandLine, VersionIsPrinted) {
  const Outcome version = RunProgram("--version");
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(CommandLine, WrongUsageIsExit2AndGoesToStandardError) {
  for (const char* arguments :
       {"", "no-such-command", "run", "run a.yaml b.yaml", "run a.yaml --slots 0", "run a.yaml --slots two",
        "show -o xml", "run a.yaml --no-such-option", "rm", "cancel", "logs", "rank small-1/a/attempt-1"}) {
    SCOPED_TRACE(arguments);
    EXPECT_EQ(RunProgram(std::string(arguments) + " 2>&1").exit_code, 2);
    EXPECT_THAT(RunProgram(std::string(arguments) + " 2>/dev/null").output, IsEmpty());
  }
}

TEST(CommandLine, SaysWhatIsWrongWithTheFirstWord) {
  EXPECT_THAT(RunProgram("rnu a.yaml 2>&1").output, AllOf(HasSubstr("no command 'rnu'"), HasSubstr("'run'")));
  EXPECT_THAT(RunProgram("--home there list 2>&1").output, HasSubstr("options stand after the command"));
}

TEST(CommandLine, CountsAreWholeNumbersWithinReason) {
  for (const char* count : {"0", "-1", "two", "1.5", "4097", "99999999999", "''"}) {
    const Outcome outcome = RunProgram(fmt::format("run a.yaml --slots {} 2>&1", count));
    EXPECT_EQ(outcome.exit_code, 2) << count;
    EXPECT_THAT(outcome.output, HasSubstr("no whole number from 1 to 4096")) << count;
  }
}

TEST(CommandLine, PrioritiesAreWithinAThousandOfZero) {
  for (const char* priority : {"1001", "-1001", "2147483647", "-2147483648", "99999999999", "high"}) {
    const Outcome outcome = RunProgram(fmt::format("priority small-1 {} 2>&1", priority));
    EXPECT_EQ(outcome.exit_code, 2) << priority;
    EXPECT_THAT(outcome.output, HasSubstr("no whole number from -1000 to 1000")) << priority;
  }
}

TEST(CommandLine, LeasesAreTimesThatSomebodyMayWaitFor) {
  for (const char* lease : {"0", "-1", "0.0001", "1e300", "31536001", "inf", "nan", "long"}) {
    const Outcome outcome = RunProgram(fmt::format("coordinator --silence-limit {} --listen nowhere 2>&1", lease));
    EXPECT_EQ(outcome.exit_code, 2) << lease;
    EXPECT_THAT(outcome.output, HasSubstr("no number of seconds from 0.001 to 31536000")) << lease;
  }
}

TEST(CommandLine, WhatCannotBeAnIdIsSaidBeforeAnythingIsAsked) {
  for (const char* command : {"rm ''", "cancel ''", "show ..", "resume small-1/members", "watch 'a b'"}) {
    const Outcome outcome = RunProgram(fmt::format("{} 2>&1", command));
    EXPECT_EQ(outcome.exit_code, 2) << command;
    EXPECT_THAT(outcome.output, HasSubstr("is no ensemble's id")) << command;
  }
}

TEST(CommandLine, OutputThatCannotBeWrittenIsAnError) {
  for (const char* command : {"--help", "list --help", "--version"}) {
    const Outcome outcome = RunProgram(fmt::format("{} 2>&1 >/dev/full", command));
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_THAT(outcome.output, HasSubstr("cannot write standard output: No space left on device")) << command;
  }
}

TEST(CommandLine, AMemberIsNamedByEnsembleAndMember) {
  for (const char* name : {"small-1", "small-1/", "/lenet5-s0"}) {
    const Outcome outcome = RunProgram(fmt::format("why {} 2>&1", name));
    EXPECT_EQ(outcome.exit_code, 2) << name;
    EXPECT_THAT(outcome.output, HasSubstr("ID/MEMBER"));
  }
}

TEST(Validate, SaysThatAnExperimentIsValid) {
  const TemporaryFolder folder;
  const Outcome outcome = RunProgram(fmt::format("validate {}", folder.Write("a.yaml", kExperiment).string()));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, HasSubstr("a valid experiment with 2 members, combined by mean"));
}

TEST(Validate, NamesAllMistakesAndWritesNothing) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.yaml", std::string(kExperiment) + "memebrs: 3\nnaem: x\n");
  const Outcome outcome = RunProgram(fmt::format("validate {} 2>&1 >/dev/null", file.string()));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("a.yaml:6:1"));
  EXPECT_THAT(outcome.output, HasSubstr("a.yaml:7:1"));
}

TEST(Validate, ResolvedFillsInDefaultsAndReadsBackToItself) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.yaml", kExperiment);
  const std::string resolved = RunProgram(fmt::format("validate --resolved {}", file.string())).output;
  EXPECT_THAT(resolved, HasSubstr("lenet5-s1"));
  const auto again = folder.Write("b.yaml", resolved);
  EXPECT_EQ(RunProgram(fmt::format("validate --resolved {}", again.string())).output, resolved);
}

TEST(Set, ChangesADefaultAndTakesOneValueEach) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.yaml", kExperiment);
  const Outcome outcome = RunProgram(
      fmt::format("validate --resolved --set training.epochs=7 --set training.batch_size=9 {}", file.string()));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, HasSubstr("epochs: 7"));
  EXPECT_THAT(outcome.output, HasSubstr("batch_size: 9"));
}

TEST(Run, OfAWrongExperimentIsExit2AndMakesNoHome) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.yaml", "version: 1\n");
  const auto home = folder.path() / "runs";
  const Outcome outcome = RunProgram(fmt::format("run {} --home {} 2>&1", file.string(), home.string()));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(home));
}

TEST(Seconds, ThatAreNoneAreRefusedInAFewWords) {
  const TemporaryFolder folder;
  for (const char* command : {"coordinator --disconnect-grace -1", "coordinator --silence-limit soon",
                              "coordinator --recovery-lease 1e300", "worker --wait -1"}) {
    const Outcome outcome = RunProgram(fmt::format("{} --home {} 2>&1", command, folder.path().string()));
    EXPECT_EQ(outcome.exit_code, 2) << command;
    EXPECT_THAT(outcome.output, HasSubstr("is no number of seconds from 0")) << command;
    EXPECT_LT(outcome.output.size(), 200U) << outcome.output;
  }
}

TEST(Run, OfAMissingFileIsExit2) {
  const Outcome outcome = RunProgram("run /no/such/file.yaml 2>&1");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("/no/such/file.yaml"));
}

TEST(Run, OfAGangThatCanNeverFitIsRefusedWithTheReason) {
  const TemporaryFolder folder;
  const auto file = folder.Write(
      "a.yaml", std::string(kExperiment).replace(std::string(kExperiment).find("seeds: 2"), 8, "seeds: 1, slots: 64"));
  const auto home = folder.path() / "runs";
  const Outcome outcome = RunProgram(fmt::format("run {} --slots 2 --home {} 2>&1", file.string(), home.string()));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("lenet5-s0 needs 64 slots at once and this machine lends 2"));
  EXPECT_FALSE(std::filesystem::exists(home));
}

TEST(EmptyHome, IsListedAsEmptyAndHasNothingToShow) {
  const TemporaryFolder folder;
  const std::string home = " --home " + (folder.path() / "runs").string() + " 2>&1";
  EXPECT_THAT(RunProgram("list" + home).output, StartsWith("There is no ensemble"));
  EXPECT_EQ(RunProgram("list -o json" + home).output, "{\n  \"ensembles\": []\n}\n");
  EXPECT_THAT(RunProgram("list -q" + home).output, IsEmpty());
  for (const char* command : {"show", "show small-1", "why small-1/a", "logs small-1/a", "logs -f small-1/a", "watch",
                              "resume", "resume small-1", "cancel small-1", "rm small-1", "fsck", "fsck --rebuild"}) {
    EXPECT_EQ(RunProgram(command + home).exit_code, 6) << command;
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "runs"));
}

TEST(ClosedPipe, EndsQuietly) { EXPECT_THAT(RunProgram("--help 2>&1 | true").output, IsEmpty()); }

}  // namespace
}  // namespace tutti::cli
