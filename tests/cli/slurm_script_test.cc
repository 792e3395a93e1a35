// What `tutti slurm` writes, whole, and what it refuses to write.
#include "cli/render/slurm_script.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

SlurmJob AJob() {
  SlurmJob job;
  job.tutti = "/opt/tutti/bin/tutti";
  job.experiment = "exp.yaml";
  job.folder = "/home/ada/work";
  job.name = "fashion-mnist";
  job.notice = {seconds(300), ""};
  return job;
}

std::string ErrorOf(const SlurmJob& job) {
  const auto script = RenderSlurmScript(job);
  if (script) return "";
  EXPECT_EQ(script.error().code, ErrorCode::kInvalid);
  return script.error().Text();
}

std::string ErrorOfMore(std::vector<std::string> more) {
  SlurmJob job = AJob();
  job.more = std::move(more);
  return ErrorOf(job);
}

TEST(SlurmScript, OfOneNode) {
  SlurmJob job = AJob();
  job.run_options = {"--home", "/scratch/ada/my runs"};
  job.time = "2:00:00";
  job.partition = "gpu";
  job.gpus_per_node = "a100:4";
  job.notice = NoticeFor(std::nullopt, "");
  EXPECT_EQ(RenderSlurmScript(job).value(), R"SH(#!/bin/bash
# Trains exp.yaml with Tutti. Made by `tutti slurm`; change what you like.
#SBATCH --job-name=fashion-mnist
#SBATCH --nodes=1
# One worker a node, which lends all that the job has of it.
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=a100:4
#SBATCH --time=2:00:00
#SBATCH --partition=gpu
#SBATCH --chdir=/home/ada/work
#SBATCH --output=%x-%j.txt
#SBATCH --open-mode=append
# How long before the time limit members are to checkpoint: 120 s, as nothing is known yet of how long theirs take.
#SBATCH --signal=B:USR1@120
#SBATCH --requeue

# USR1, before the time limit, asks all members for a checkpoint; so does TERM, which `scancel` sends.
asked=
run=
ask() {
  if [ -z "$asked" ] && [ -n "$run" ]; then kill -USR1 "$run"; fi # a second one would end all at once
  asked=$1
}
trap 'ask USR1' USR1
trap 'ask TERM' TERM

echo "$(date '+%F %T') job $SLURM_JOB_ID on $SLURM_JOB_NODELIST, start $((${SLURM_RESTART_COUNT:-0} + 1))"

/opt/tutti/bin/tutti run exp.yaml --home '/scratch/ada/my runs' &
run=$!

# A signal ends `wait` early: again, until the run itself has ended.
while kill -0 "$run" 2>/dev/null; do wait "$run"; done
wait "$run"
status=$?

# TERM comes from people who cancel the job, and from Slurm when the limit is reached or the job is preempted.
was_cancelled() {
  [ "$asked" = TERM ] && ! scontrol show job "$SLURM_JOB_ID" | grep -qE 'Reason=TimeLimit|PreemptTime=[0-9]'
}

# 143: all have stopped with a checkpoint. The job is queued again and goes on from there, unless it was cancelled.
if [ "$status" = 143 ] && ! was_cancelled; then
  echo "$(date '+%F %T') stopped with checkpoints; job $SLURM_JOB_ID is queued again"
  scontrol requeue "$SLURM_JOB_ID" || echo "it could not be queued again: hand this script to sbatch once more"
fi
exit "$status"
)SH");
}

TEST(SlurmScript, OfSeveralNodesStartsOneRunOnEach) {
  SlurmJob job = AJob();
  job.nodes = "2-4";
  job.cpus_per_task = "8";
  const std::string script = RenderSlurmScript(job).value();
  EXPECT_THAT(script, HasSubstr("#SBATCH --nodes=2-4\n"));
  EXPECT_THAT(script, HasSubstr("#SBATCH --no-kill\n"));
  EXPECT_THAT(script, HasSubstr("srun --mpi=pmix --no-kill --kill-on-bad-exit=0 --cpus-per-task=8 \\\n"
                                "  /opt/tutti/bin/tutti run exp.yaml &\n"));
}

TEST(SlurmScript, WithoutRequeueEndsWhenItsTimeIsUp) {
  SlurmJob job = AJob();
  job.requeue = false;
  const std::string script = RenderSlurmScript(job).value();
  EXPECT_THAT(script, HasSubstr("#SBATCH --no-requeue\n"));
  EXPECT_THAT(script, Not(HasSubstr("scontrol")));
  EXPECT_THAT(script, HasSubstr("#SBATCH --signal=B:USR1@300\n")) << "members checkpoint all the same";
}

TEST(SlurmScript, PassesOnWhatSbatchKnows) {
  SlurmJob job = AJob();
  job.more = {"--constraint=a100 or h100", "--exclusive", "-x", "n[7-9]", "--mail-user", "ada lovelace"};
  EXPECT_THAT(RenderSlurmScript(job).value(), HasSubstr("#SBATCH --constraint=\"a100 or h100\"\n"
                                                        "#SBATCH --exclusive\n"
                                                        "#SBATCH -x n[7-9]\n"
                                                        "#SBATCH --mail-user \"ada lovelace\"\n"));
}

TEST(SlurmScript, RefusesToPassOnWhatItReliesOn) {
  EXPECT_THAT(ErrorOfMore({"--signal=USR2@10"}), HasSubstr("--signal-before"));
  EXPECT_THAT(ErrorOfMore({"--array=0-9"}), HasSubstr("scripts/slurm"));
  EXPECT_THAT(ErrorOfMore({"-N4"}), HasSubstr("--nodes (-N) is an option of `tutti slurm`"));
  EXPECT_THAT(ErrorOfMore({"-n", "4"}), HasSubstr("one worker a node"));
  EXPECT_THAT(ErrorOfMore({"b.yaml"}), HasSubstr("'b.yaml' is no option of sbatch"));
  EXPECT_THAT(ErrorOfMore({"--exclusive", "user", "b.yaml"}), HasSubstr("'b.yaml' is no option of sbatch"));
  EXPECT_THAT(ErrorOfMore({"--nodelist=n1", "--time-min=10", "--ntasks-per-core=1"}), testing::IsEmpty())
      << "names that only begin alike";
}

TEST(SlurmScript, RefusesLineBreaks) {
  SlurmJob job = AJob();
  job.experiment = "a\nrm -rf x\n.yaml";
  EXPECT_THAT(ErrorOf(job), HasSubstr("control character"));
  job = AJob();
  job.partition = "gpu\n#SBATCH --nodes=9";
  EXPECT_THAT(ErrorOf(job), HasSubstr("control character"));
  EXPECT_THAT(ErrorOfMore({"--comment=a\rb"}), HasSubstr("control character"));
}

TEST(SlurmScript, RefusesANoticeThatLeavesNoTimeToTrain) {
  SlurmJob job = AJob();
  job.time = "6";
  EXPECT_THAT(ErrorOf(job), HasSubstr("leaves no time to train")) << "300 s, and 60 that Slurm may be early, of 360";
  job.time = "7";
  EXPECT_THAT(ErrorOf(job), testing::IsEmpty());
  job.time = "UNLIMITED";
  EXPECT_THAT(ErrorOf(job), testing::IsEmpty());
}

TEST(QuoteForSbatch, MakesAWordOfAnything) {
  EXPECT_EQ(QuoteForSbatch("/home/ada/%x-%j.txt"), "/home/ada/%x-%j.txt");
  EXPECT_EQ(QuoteForSbatch("my runs"), "\"my runs\"");
  EXPECT_EQ(QuoteForSbatch("it's #1"), "\"it's #1\"");
  EXPECT_EQ(QuoteForSbatch(R"(say "a\b")"), R"("say \"a\\b\"")");
  EXPECT_EQ(QuoteForSbatch(""), "\"\"");
}

TEST(ParseTimeLimit, ReadsWhatSbatchReads) {
  EXPECT_EQ(ParseTimeLimit("90"), seconds(5400));
  EXPECT_EQ(ParseTimeLimit("90:30"), seconds(5430));
  EXPECT_EQ(ParseTimeLimit("1:30:05"), seconds(5405));
  EXPECT_EQ(ParseTimeLimit("1-12"), seconds(129'600));
  EXPECT_EQ(ParseTimeLimit("1-12:30"), seconds(131'400));
  EXPECT_EQ(ParseTimeLimit("1-12:30:01"), seconds(131'401));
  for (const char* none : {"", "UNLIMITED", "1:2:3:4", "1:", "-1", "1-", "2h", "1-2:3:4:5"}) {
    EXPECT_EQ(ParseTimeLimit(none), std::nullopt) << none;
  }
}

TEST(NoticeFor, IsAMinuteAndFourTimesWhatWasMeasuredAndNeverLessThanTwoMinutes) {
  EXPECT_EQ(NoticeFor(std::nullopt, "").before, seconds(120));
  EXPECT_EQ(NoticeFor(milliseconds(700), "small-1").before, seconds(120));
  EXPECT_EQ(NoticeFor(milliseconds(60'000), "small-1").before, seconds(300));
  EXPECT_THAT(NoticeFor(milliseconds(60'000), "small-1").reason, HasSubstr("in small-1 an epoch took up to 60.0 s"));
}

}  // namespace
}  // namespace tutti::cli
