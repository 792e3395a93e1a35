#include "cli/nodes/slurm_nodes.h"

#include <fmt/format.h>

#include <map>
#include <sstream>

#include "cli/render/next_command.h"
#include "cli/render/slurm_script.h"
#include "common/file_system.h"
#include "common/whole_number.h"
#include "worker/launch/ask_program.h"

namespace tutti::cli {
namespace {

using std::chrono::minutes;

// A controller under load takes its time.
constexpr Duration kAnswerDeadline = minutes(1);
// Slurm looks at time limits once a minute; members checkpoint before.
constexpr int kNoticeSeconds = 180;
// A worker whose coordinator is gone for good gives its node back.
constexpr int kGiveUpSeconds = 600;
constexpr std::chrono::seconds kNoLimit = std::chrono::hours(24 * 365);
// Of one answer, as worker::AskProgram keeps it: more would hide jobs.
constexpr size_t kMostAnswered = 64 * 1024;
constexpr const char* kPrograms[] = {"sbatch", "squeue", "scancel"};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::string FirstLineOf(const std::string& text) { return text.substr(0, text.find('\n')); }

// One that ends gives its nodes back by itself, and cannot be counted on.
bool IsThere(const std::string& state) {
  return state == "PENDING" || state == "CONFIGURING" || state == "RUNNING" || state == "SUSPENDED";
}

Result<server::BatchJob> ParseJob(const std::vector<std::string>& fields, const std::string& line) {
  const auto nodes = ParseWholeNumber<int>(fields[3]);
  if (!nodes) return Fail(ErrorCode::kInvalid, "squeue speaks of '{}' nodes: {}", fields[3], line);
  server::BatchJob job{.name = fields[0], .id = fields[1], .running = fields[2] == "RUNNING", .nodes = *nodes};
  job.walltime = ParseTimeLimit(fields[4]).value_or(kNoLimit);
  const auto left = ParseTimeLimit(fields[5]);
  job.left = left ? Duration(*left) : job.running ? Duration(0) : job.walltime;
  return job;
}

}  // namespace

std::string SlurmNodeCommand(const SlurmNodeOptions& options, const server::NodeRequest& request) {
  const std::string worker =
      fmt::format("exec {} worker --home {} --name {}-$SLURM_NODEID --launch-domain {} --launcher srun --give-up {}",
                  QuoteForShell(options.tutti.string()), QuoteForShell(options.home.string()), request.name,
                  request.name, kGiveUpSeconds);
  // srun takes no number of CPUs from the job since Slurm 22.05.
  return fmt::format(
      "export SRUN_CPUS_PER_TASK=${{SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}}; exec srun --no-kill "
      "--kill-on-bad-exit=0 "
      "bash -c {}",
      QuoteForShell(worker));
}

std::vector<std::string> SbatchWords(const SlurmNodeOptions& options, const server::NodeRequest& request) {
  const auto time = std::chrono::floor<minutes>(request.walltime);
  std::vector<std::string> words = {
      "--parsable",
      "--job-name=" + request.name,
      fmt::format("--nodes={}", request.nodes),
      "--ntasks-per-node=1",
      fmt::format("--time={}", time.count()),
      fmt::format("--signal=USR1@{}", kNoticeSeconds),  // to the workers: their members checkpoint
      "--no-requeue",
      "--no-kill",
      "--open-mode=append",
      fmt::format("--output={}/%x.txt", (options.home / "nodes").string()),
      "--chdir=" + options.home.string(),
  };
  words.insert(words.end(), options.sbatch.begin(), options.sbatch.end());
  words.push_back("--wrap=" + SlurmNodeCommand(options, request));
  return words;
}

std::vector<std::string> SqueueWords() { return {"--me", "--all", "--noheader", "--format=%j|%i|%T|%D|%l|%L"}; }

Result<std::vector<server::BatchJob>> ParseQueue(const std::string& text, const std::string& prefix) {
  std::vector<server::BatchJob> jobs;
  for (const std::string& line : Split(text, '\n')) {
    if (!line.starts_with(prefix)) continue;
    const std::vector<std::string> fields = Split(line, '|');
    if (fields.size() != 6) return Fail(ErrorCode::kInvalid, "this is no line of squeue: {}", line);
    if (!IsThere(fields[2])) continue;
    TUTTI_ASSIGN_OR_RETURN(jobs.emplace_back(), ParseJob(fields, line));
  }
  return jobs;
}

Result<std::shared_ptr<SlurmNodes>> SlurmNodes::Find(SlurmNodeOptions options) {
  // What a job that this runs in was given is none of its jobs' business, and no user's filter hides one of them.
  std::erase_if(options.environment, [](const auto& entry) {
    const std::string& name = entry.first;
    return (name.starts_with("SLURM_") && name != "SLURM_CONF") || name.starts_with("SRUN_") ||
           name.starts_with("SQUEUE_") || name.starts_with("SCANCEL_");
  });
  std::shared_ptr<SlurmNodes> nodes(new SlurmNodes(std::move(options)));
  for (const char* name : kPrograms) {
    const auto program = worker::FindProgram(name, nodes->options_.environment);
    if (!program) {
      return Fail(ErrorCode::kNotFound,
                  "{} is not in PATH: load Slurm's module, or go to a machine from which jobs are submitted", name);
    }
    nodes->programs_[name] = *program;
  }
  return nodes;
}

Result<std::string> SlurmNodes::Ask(const std::string& program, std::vector<std::string> words) const {
  words.insert(words.begin(), programs_.at(program).string());
  auto answer = worker::AskProgram(std::move(words), options_.environment, kAnswerDeadline);
  if (!answer) return FailBecause(std::move(answer.error()), "{} does not answer", program);
  if (answer->output.size() >= kMostAnswered)
    return Fail(ErrorCode::kInvalid, "{} says more than can be read", program);
  if (answer->exit_code == 0) return std::move(answer->output);
  return Fail(ErrorCode::kDenied, "{} says: {}", program, FirstLineOf(answer->output));
}

Result<std::vector<server::BatchJob>> SlurmNodes::List(const std::string& prefix) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, Ask("squeue", SqueueWords()));
  return ParseQueue(text, prefix);
}

Result<void> SlurmNodes::Submit(const server::NodeRequest& request) {
  TUTTI_RETURN_IF_ERROR(PosixFileSystem().CreateDirectories(options_.home / "nodes"));
  const auto submitted = Ask("sbatch", SbatchWords(options_, request));
  return submitted ? Result<void>() : tl::unexpected<Error>(submitted.error());
}

Result<void> SlurmNodes::Cancel(const server::BatchJob& job) {
  const auto cancelled = Ask("scancel", {job.id});
  if (cancelled || cancelled.error().message.find("Invalid job id") != std::string::npos) return {};
  return tl::unexpected<Error>(cancelled.error());
}

}  // namespace tutti::cli
