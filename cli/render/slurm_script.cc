#include "cli/render/slurm_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "cli/render/next_command.h"
#include "common/whole_number.h"

namespace tutti::cli {
namespace {

using std::chrono::seconds;

// Slurm looks at time limits once a minute, and so may send the signal up to a minute early.
constexpr seconds kEarliness{60};
constexpr seconds kShortestNotice{120};

// Options that `tutti slurm` has itself, so that it knows of them, and those that the script does not work with.
struct Known {
  std::string_view name;
  char letter;  // 0: it has none
  std::string_view instead;
};
constexpr std::string_view kOwn = "is an option of `tutti slurm`";
constexpr std::array kKnown{
    Known{"nodes", 'N', kOwn},
    Known{"time", 't', kOwn},
    Known{"partition", 'p', kOwn},
    Known{"account", 'A', kOwn},
    Known{"gpus-per-node", 0, kOwn},
    Known{"cpus-per-task", 'c', kOwn},
    Known{"mem", 0, kOwn},
    Known{"job-name", 'J', kOwn},
    Known{"output", 'o', kOwn},
    Known{"test-only", 0, kOwn},
    Known{"requeue", 0, "is what the script asks for; `tutti slurm --no-requeue` does not"},
    Known{"no-requeue", 0, kOwn},
    Known{"signal", 0, "is what --signal-before is for: the script waits for USR1"},
    Known{"ntasks", 'n', "does not go together with one worker a node, which lends all of it: --nodes"},
    Known{"ntasks-per-node", 0, "does not go together with one worker a node, which lends all of it: --cpus-per-task"},
    Known{"chdir", 'D', "is the current folder, from which the script's paths are written"},
    Known{"open-mode", 0, "is append: what goes on writes on in the same file"},
    Known{"array", 'a', "would train one experiment several times: scripts/slurm has an array of experiments"},
    Known{"wrap", 0, "is a script in place of this one"},
    Known{"no-kill", 'k', "is what the script asks for on several nodes"},
    Known{"parsable", 0, "changes what sbatch prints: --quiet prints the job's id alone"},
    Known{"quiet", 'Q', "changes what sbatch prints: --quiet prints the job's id alone"},
};

bool HasControlCharacter(const std::string& text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

const Known* FindKnown(std::string_view word) {
  const bool is_long = word.starts_with("--");
  const std::string_view name = is_long ? word.substr(2, word.find('=') - 2) : word.substr(1);
  const auto found = std::ranges::find_if(kKnown, [&](const Known& known) {
    return is_long ? known.name == name : known.letter != 0 && !name.empty() && known.letter == name.front();
  });
  return found == kKnown.end() ? nullptr : &*found;
}

Result<void> CheckWords(const SlurmJob& job) {
  std::vector<std::string> words{job.tutti, job.experiment, job.folder, job.name, job.nodes, job.output};
  words.insert(words.end(), job.run_options.begin(), job.run_options.end());
  words.insert(words.end(), job.more.begin(), job.more.end());
  for (const auto* value :
       {&job.time, &job.partition, &job.account, &job.gpus_per_node, &job.cpus_per_task, &job.memory}) {
    if (*value) words.push_back(**value);
  }
  for (const std::string& word : words) {
    if (HasControlCharacter(word)) {
      return Fail(ErrorCode::kInvalid, "a line break or another control character cannot stand in a batch script: '{}'",
                  word);
    }
  }
  return {};
}

Result<void> CheckMore(const std::vector<std::string>& more) {
  for (size_t i = 0; i < more.size(); ++i) {
    const std::string& word = more[i];
    const bool is_option = word.size() > 1 && word.front() == '-' && word != "--";
    if (!is_option && (i == 0 || more[i - 1].front() != '-')) {
      return Fail(ErrorCode::kInvalid, "'{}' is no option of sbatch, like --constraint=a100", word);
    }
    const Known* known = is_option ? FindKnown(word) : nullptr;
    if (known != nullptr) {
      return Fail(
          ErrorCode::kInvalid, "'{}' cannot be passed on to sbatch: {} {}", word,
          known->letter != 0 ? fmt::format("--{} (-{})", known->name, known->letter) : fmt::format("--{}", known->name),
          known->instead);
    }
  }
  return {};
}

Result<void> CheckNotice(const SlurmJob& job) {
  const auto limit = job.time ? ParseTimeLimit(*job.time) : std::nullopt;
  if (!limit || job.notice.before + kEarliness < *limit) return {};
  return Fail(ErrorCode::kInvalid,
              "with --time {} a signal {} s before the limit, which may come {} s earlier still, leaves no time to "
              "train: ask for more --time, or for less --signal-before",
              *job.time, job.notice.before.count(), kEarliness.count());
}

bool OnSeveralNodes(const SlurmJob& job) { return job.nodes != "1" && job.nodes != "1-1"; }

class Lines {
 public:
  void Add(std::string_view line) { text_.append(line).append("\n"); }
  void Option(std::string_view name, const std::string& value) {
    Add(fmt::format("#SBATCH --{}={}", name, QuoteForSbatch(value)));
  }
  void Option(std::string_view name, const std::optional<std::string>& value) {
    if (value) Option(name, *value);
  }
  std::string Text() && { return std::move(text_); }

 private:
  std::string text_;
};

void AddPassedOn(const std::vector<std::string>& more, Lines& lines) {
  for (size_t i = 0; i < more.size(); ++i) {
    const size_t equals = more[i].find('=');
    std::string line = equals == std::string::npos
                           ? more[i]
                           : more[i].substr(0, equals + 1) + QuoteForSbatch(more[i].substr(equals + 1));
    if (i + 1 < more.size() && more[i + 1].front() != '-') line += " " + QuoteForSbatch(more[++i]);
    lines.Add("#SBATCH " + line);
  }
}

void AddHead(const SlurmJob& job, Lines& lines) {
  lines.Add("#!/bin/bash");
  lines.Add(fmt::format("# Trains {} with Tutti. Made by `tutti slurm`; change what you like.", job.experiment));
  lines.Option("job-name", job.name);
  lines.Option("nodes", job.nodes);
  if (OnSeveralNodes(job)) {
    lines.Add("# When a node fails, its members go on on the others.");
    lines.Add("#SBATCH --no-kill");
  }
  lines.Add("# One worker a node, which lends all that the job has of it.");
  lines.Add("#SBATCH --ntasks-per-node=1");
  lines.Option("cpus-per-task", job.cpus_per_task);
  lines.Option("gpus-per-node", job.gpus_per_node);
  lines.Option("mem", job.memory);
  lines.Option("time", job.time);
  lines.Option("partition", job.partition);
  lines.Option("account", job.account);
  AddPassedOn(job.more, lines);
  lines.Option("chdir", job.folder);
  lines.Option("output", job.output);
  lines.Add("#SBATCH --open-mode=append");
  if (!job.notice.reason.empty()) {
    lines.Add(fmt::format("# How long before the time limit members are to checkpoint: {}.", job.notice.reason));
  }
  lines.Add(fmt::format("#SBATCH --signal=B:USR1@{}", job.notice.before.count()));
  lines.Add(job.requeue ? "#SBATCH --requeue" : "#SBATCH --no-requeue");
}

std::string RunCommand(const SlurmJob& job) {
  std::string command = fmt::format("{} run {}", QuoteForShell(job.tutti), QuoteForShell(job.experiment));
  for (const std::string& word : job.run_options) command += " " + QuoteForShell(word);
  return command;
}

void AddRun(const SlurmJob& job, Lines& lines) {
  if (!OnSeveralNodes(job)) {
    lines.Add(RunCommand(job) + " &");
    lines.Add("run=$!");
    return;
  }
  lines.Add("# One `tutti run` a node: the first one coordinates as well. They find each other through MPI.");
  // srun takes no number of CPUs from the job since Slurm 22.05.
  const std::string cpus = job.cpus_per_task ? fmt::format(" --cpus-per-task={}", *job.cpus_per_task) : "";
  lines.Add(fmt::format("srun --mpi=pmix --no-kill --kill-on-bad-exit=0{} \\", cpus));
  lines.Add(fmt::format("  {} &", RunCommand(job)));
  lines.Add("run=$!");
}

constexpr std::string_view kSignals = R"SH(
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
)SH";

constexpr std::string_view kWait = R"SH(
# A signal ends `wait` early: again, until the run itself has ended.
while kill -0 "$run" 2>/dev/null; do wait "$run"; done
wait "$run"
status=$?
)SH";

constexpr std::string_view kRequeue = R"SH(
# TERM comes from people who cancel the job, and from Slurm when the limit is reached or the job is preempted.
was_cancelled() {
  [ "$asked" = TERM ] && ! scontrol show job "$SLURM_JOB_ID" | grep -qE 'Reason=TimeLimit|PreemptTime=[0-9]'
}

# 143: all have stopped with a checkpoint. The job is queued again and goes on from there, unless it was cancelled.
if [ "$status" = 143 ] && ! was_cancelled; then
  echo "$(date '+%F %T') stopped with checkpoints; job $SLURM_JOB_ID is queued again"
  scontrol requeue "$SLURM_JOB_ID" || echo "it could not be queued again: hand this script to sbatch once more"
fi
)SH";

}  // namespace

std::string QuoteForSbatch(const std::string& word) {
  const auto is_plain = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) != 0 ||
           std::string_view("/._-+,:=@%[]()*&|!~").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, is_plain)) return word;
  std::string quoted = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::optional<seconds> ParseTimeLimit(const std::string& text) {
  const size_t dash = text.find('-');
  const std::string clock = dash == std::string::npos ? text : text.substr(dash + 1);
  std::vector<int64_t> parts;
  for (size_t begin = 0; begin <= clock.size();) {
    const size_t colon = std::min(clock.find(':', begin), clock.size());
    const auto part = ParseWholeNumber<int64_t>(clock.substr(begin, colon - begin));
    if (!part || *part < 0 || *part > 1'000'000'000) return std::nullopt;
    parts.push_back(*part);
    begin = colon + 1;
  }
  if (parts.size() > 3) return std::nullopt;
  if (dash == std::string::npos) {
    if (parts.size() == 1) return seconds(parts[0] * 60);
    if (parts.size() == 2) return seconds(parts[0] * 60 + parts[1]);
    return seconds(parts[0] * 3600 + parts[1] * 60 + parts[2]);
  }
  const auto days = ParseWholeNumber<int64_t>(text.substr(0, dash));
  if (!days || *days < 0 || *days > 1'000'000) return std::nullopt;
  parts.resize(3);
  return seconds(*days * 86'400 + parts[0] * 3600 + parts[1] * 60 + parts[2]);
}

Notice NoticeFor(std::optional<std::chrono::milliseconds> beside_training, const std::string& measured_in) {
  if (!beside_training) {
    return {kShortestNotice,
            fmt::format("{} s, as nothing is known yet of how long theirs take", kShortestNotice.count())};
  }
  // Members stop all at once, and the nodes of the next start may be slower: four times, and a minute for all else.
  const double took = std::chrono::duration<double>(*beside_training).count();
  const auto wanted = seconds(static_cast<int64_t>(std::ceil(std::min(4 * took, 1e6) / 10) * 10) + 60);
  return {std::max(wanted, kShortestNotice),
          fmt::format("in {} an epoch took up to {:.1f} s besides its training steps, checkpoint included", measured_in,
                      took)};
}

Result<std::string> RenderSlurmScript(const SlurmJob& job) {
  TUTTI_RETURN_IF_ERROR(CheckWords(job));
  TUTTI_RETURN_IF_ERROR(CheckMore(job.more));
  TUTTI_RETURN_IF_ERROR(CheckNotice(job));
  Lines lines;
  AddHead(job, lines);
  std::string text = std::move(lines).Text();
  Lines run;
  AddRun(job, run);
  text.append(kSignals).append("\n").append(std::move(run).Text()).append(kWait);
  if (job.requeue) text.append(kRequeue);
  return text + "exit \"$status\"\n";
}

}  // namespace tutti::cli
