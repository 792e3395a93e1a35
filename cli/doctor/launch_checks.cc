// What starts trainers: MPI and Slurm.
#include <chrono>
#include <filesystem>

#include "cli/doctor/checks.h"
#include "worker/agent/agent.h"
#include "worker/launch/ask_program.h"

namespace tutti::cli {
namespace {

constexpr auto kAnswerDeadline = std::chrono::seconds(10);
constexpr auto kStartDeadline = std::chrono::seconds(20);
constexpr const char* kMet = "2 ranks met";

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// As gangs are started on one machine.
Result<worker::ProgramAnswer> LetTwoRanksMeet(const std::string& mpirun, const std::string& trainer,
                                              const worker::Environment& environment) {
  const std::vector<std::string> command = {mpirun,
                                            "-np",
                                            "2",
                                            "--host",
                                            "localhost:2",
                                            "--mca",
                                            "plm",
                                            "isolated",
                                            "--mca",
                                            "ras",
                                            "^slurm,tm,lsf,gridengine",
                                            "--bind-to",
                                            "none",
                                            "--mca",
                                            "mpi_yield_when_idle",
                                            "1",
                                            trainer,
                                            "meet"};
  return worker::AskProgram(
      command, worker::ForLauncher(worker::ForTrainer(worker::WithoutOuterLaunch(environment), {})), kStartDeadline);
}

Finding JudgeMeeting(const std::string& version, const Result<worker::ProgramAnswer>& answer) {
  const char* cure =
      "install one MPI alone, the one that tutti-trainer was built with, and put its mpirun first in PATH";
  if (!answer)
    return Problem("mpi", fmt::format("{}, but two ranks do not meet: {}", version, answer.error().Text()), cure);
  if (answer->exit_code == 0 && answer->output.find(kMet) != std::string::npos) {
    return Ok("mpi", fmt::format("{}; two ranks met", version));
  }
  return Problem("mpi",
                 fmt::format("{}, but two ranks do not meet (exit code {}): {}", version, answer->exit_code,
                             FirstLine(answer->output)),
                 cure);
}

}  // namespace

Finding CheckMpi(const Surroundings& around) {
  const auto mpirun = worker::FindProgram("mpirun", around.environment);
  if (!mpirun) {
    return Warning("mpi", mpirun.error().Text(),
                   "install Open MPI: members on more than one slot need it, others do not");
  }
  const worker::Environment environment = worker::WithoutOuterLaunch(around.environment);
  const auto version =
      worker::AskProgram({mpirun->string(), "--version"}, worker::ForLauncher(environment), kAnswerDeadline);
  if (!version) return Problem("mpi", version.error().Text(), "reinstall Open MPI");
  const auto trainer = worker::FindTrainer();
  if (!trainer) return Ok("mpi", fmt::format("{}; no trainer is there to try it with", FirstLine(version->output)));
  return JudgeMeeting(FirstLine(version->output),
                      LetTwoRanksMeet(mpirun->string(), trainer->string(), around.environment));
}

Finding CheckSlurm(const Surroundings& around) {
  const auto sinfo = worker::FindProgram("sinfo", around.environment);
  const auto job = around.environment.find("SLURM_JOB_ID");
  const bool in_a_job = job != around.environment.end();
  if (!sinfo && !in_a_job) return Ok("slurm", "none here");
  if (!worker::FindProgram("srun", around.environment)) {
    return Warning("slurm", "srun is not in PATH", "load Slurm's module, or install its client programs");
  }
  const std::string where = in_a_job ? fmt::format("inside job {}", job->second) : "outside of a job";
  if (!sinfo) return Ok("slurm", where);
  const auto partitions = worker::AskProgram({sinfo->string(), "--noheader", "--format=%P %a %D nodes"},
                                             around.environment, kAnswerDeadline);
  if (!partitions || partitions->exit_code != 0) {
    return Warning("slurm",
                   fmt::format("{}; its controller does not answer: {}", where,
                               partitions ? FirstLine(partitions->output) : partitions.error().Text()),
                   "ask those who run the cluster; what runs already is not concerned");
  }
  return Ok("slurm", fmt::format("{}; {}", where, FirstLine(partitions->output)));
}

}  // namespace tutti::cli
