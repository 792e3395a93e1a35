// tutti slurm FILE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/experiment.h"
#include "cli/own_program.h"
#include "cli/reader.h"
#include "cli/render/slurm_script.h"
#include "cli/submission.h"
#include "cli/whole_number_option.h"
#include "common/owned_descriptor.h"
#include "common/spec/experiment_files.h"
#include "common/whole_number.h"
#include "worker/launch/ask_program.h"

namespace tutti::cli {
namespace {

// A controller under load takes its time; sbatch itself gives up later.
constexpr Duration kAnswerDeadline = std::chrono::minutes(2);
constexpr int kLongestNoticeSeconds = 65'535;  // sbatch takes no more

struct Options {
  std::string file;
  std::vector<std::string> overrides;
  HomeOption home;
  SlotOptions slots;
  SlurmJob job;
  std::optional<std::string> name;
  std::optional<int> signal_before;
  bool no_requeue = false;
  std::vector<std::string> sbatch;        // "constraint=a100"
  std::vector<std::string> after_dashes;  // "--constraint=a100"
  bool submit = false;
  bool test_only = false;
  OutputOption output;
};

// What `tutti run` is to be given in the job, besides the experiment.
std::vector<std::string> RunOptions(const Options& options) {
  std::vector<std::string> words;
  const auto add = [&](const std::string& option, const std::string& value) {
    words.insert(words.end(), {option, value});
  };
  for (const std::string& change : options.overrides) add("--set", change);
  const char* home = std::getenv("TUTTI_HOME");
  if (options.home.home && !options.home.home->empty()) {
    add("--home", *options.home.home);
  } else if (home != nullptr && *home != 0) {
    add("--home", home);
  }
  const SlotOptions& slots = options.slots;
  if (slots.slots) add("--slots", std::to_string(*slots.slots));
  if (slots.threads_per_slot) add("--threads-per-slot", std::to_string(*slots.threads_per_slot));
  if (slots.slots_per_gpu) add("--slots-per-gpu", std::to_string(*slots.slots_per_gpu));
  if (slots.device != "auto") add("--device", slots.device);
  return words;
}

Result<std::optional<Reader::BesideTraining>> FindMeasured(const Options& options, const Experiment& experiment) {
  TUTTI_ASSIGN_OR_RETURN(const Client::Submission submission, SubmissionOf(experiment));
  TUTTI_ASSIGN_OR_RETURN(const spec::EnsembleSpec spec, spec::WithCopies(experiment.spec, submission.files));
  return Reader(options.home.Find()).FindBesideTraining(spec);
}

// A home that is not there yet, or that cannot be read now, has measured nothing.
Notice ChooseNotice(const Options& options, const Experiment& experiment) {
  if (options.signal_before) return {std::chrono::seconds(*options.signal_before), ""};
  const auto measured = FindMeasured(options, experiment);
  if (!measured || !*measured) return NoticeFor(std::nullopt, "");
  return NoticeFor((*measured)->longest, (*measured)->ensemble);
}

Result<std::string> MakeScript(const Options& options, const Experiment& experiment) {
  SlurmJob job = options.job;
  TUTTI_ASSIGN_OR_RETURN(const std::filesystem::path program, OwnProgram());
  job.tutti = program.string();
  std::error_code error;
  job.folder = std::filesystem::current_path(error).string();
  if (error) return Fail(ErrorCode::kIo, "the current folder is not there: {}", error.message());
  job.experiment = options.file;
  job.run_options = RunOptions(options);
  job.name = options.name.value_or(experiment.spec.name);
  job.notice = ChooseNotice(options, experiment);
  job.requeue = !options.no_requeue;
  for (const std::string& option : options.sbatch) job.more.push_back("--" + option);
  job.more.insert(job.more.end(), options.after_dashes.begin(), options.after_dashes.end());
  return RenderSlurmScript(job);
}

// A file for as long as sbatch reads it.
class TemporaryScript {
 public:
  static Result<TemporaryScript> Write(const std::string& text) {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
    if (error) return Fail(ErrorCode::kIo, "there is no folder for temporary files: {}", error.message());
    std::string name = (folder / "tutti-slurm-XXXXXX").string();
    const OwnedDescriptor file(::mkostemp(name.data(), O_CLOEXEC));
    if (file.get() < 0) return FailErrno(errno, fmt::format("cannot make a file in {}", folder.string()));
    TemporaryScript script(name);
    for (size_t written = 0; written < text.size();) {
      const ssize_t size = ::write(file.get(), text.data() + written, text.size() - written);
      if (size < 0) return FailErrno(errno, fmt::format("cannot write {}", name));
      written += static_cast<size_t>(size);
    }
    return script;
  }
  TemporaryScript(TemporaryScript&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryScript& operator=(TemporaryScript&&) = delete;
  ~TemporaryScript() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryScript(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// What sbatch complained of, without its name in front of each line.
std::string ComplaintOf(const std::string& output) {
  std::string complaint;
  for (std::string line : LinesOf(output)) {
    for (const std::string_view prefix : {"sbatch: ", "error: ", "fatal: "}) {
      if (line.starts_with(prefix)) line.erase(0, prefix.size());
    }
    if (line.empty()) continue;
    complaint += (complaint.empty() ? "" : "; ") + line;
  }
  return complaint.empty() ? "it says nothing" : complaint;
}

Error ErrorOf(const std::string& output) {
  for (const char* unreachable : {"Unable to contact slurm controller", "Could not establish a configuration source",
                                  "Unable to process configuration file"}) {
    if (output.find(unreachable) == std::string::npos) continue;
    return {
        ErrorCode::kUnreachable,
        fmt::format("no Slurm answers here: {}. Nothing is submitted; `tutti doctor` says more", ComplaintOf(output)),
        nullptr};
  }
  return {
      ErrorCode::kInvalid,
      fmt::format("Slurm refuses the job: {}. `sinfo` shows partitions and their limits; without --submit the script "
                  "is printed",
                  ComplaintOf(output)),
      nullptr};
}

Result<std::string> AskSbatch(const std::vector<std::string>& options, const std::string& script) {
  const worker::Environment environment = worker::CurrentEnvironment();
  const auto sbatch = worker::FindProgram("sbatch", environment);
  if (!sbatch) {
    return Fail(ErrorCode::kNotFound,
                "sbatch is not in PATH: load Slurm's module, or go to a machine from which jobs are submitted");
  }
  TUTTI_ASSIGN_OR_RETURN(const TemporaryScript file, TemporaryScript::Write(script));
  std::vector<std::string> command{sbatch->string()};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(file.path());
  TUTTI_ASSIGN_OR_RETURN(const worker::ProgramAnswer answer, worker::AskProgram(command, environment, kAnswerDeadline));
  if (answer.exit_code != 0) return tl::unexpected<Error>(ErrorOf(answer.output));
  return answer.output;
}

// "12" or, where there are several clusters, "12;cluster"; sbatch may say more on other lines.
Result<std::string> JobIdIn(const std::string& output) {
  for (const std::string& line : LinesOf(output)) {
    const std::string id = line.substr(0, line.find(';'));
    if (ParseWholeNumber<uint64_t>(id)) return id;
  }
  return Fail(ErrorCode::kInternal, "sbatch answered without a job's id: {}", ComplaintOf(output));
}

int TestOnly(const std::string& script) {
  const auto answer = AskSbatch({"--test-only"}, script);
  if (!answer) return EndWith(answer.error());
  Print(ComplaintOf(*answer) + "\n");
  return kExitDone;
}

int Submit(const std::string& script, const Options& options) {
  const auto answer = AskSbatch({"--parsable"}, script);
  const auto id = answer ? JobIdIn(*answer) : Result<std::string>(tl::unexpected(answer.error()));
  if (!id) return EndWith(id.error());
  Print(options.output.Choose() == Output::kQuiet
            ? *id + "\n"
            : fmt::format("Job {0} is submitted; `squeue --job {0}` shows it, `scancel {0}` ends it.\n", *id));
  return kExitDone;
}

int Slurm(const Options& options) {
  const auto experiment = ReadExperiment(options.file, options.overrides);
  if (!experiment) return kExitUsage;
  const auto script = MakeScript(options, *experiment);
  if (!script) return EndWith(script.error());
  if (options.test_only) return TestOnly(*script);
  if (options.submit) return Submit(*script, options);
  Print(*script);
  return kExitDone;
}

// "4", or "2-4".
CLI::Validator NumberOfNodes() {
  const auto check = [](const std::string& text) -> std::string {
    const size_t dash = text.find('-');
    const int least = ParseWholeNumber<int>(text.substr(0, dash)).value_or(0);
    const int most = dash == std::string::npos ? least : ParseWholeNumber<int>(text.substr(dash + 1)).value_or(0);
    if (least >= 1 && most >= least) return "";
    return fmt::format("'{}' is no number of nodes, like 4 or 2-4", text);
  };
  return CLI::Validator(check, "");
}

void AddJobOptions(CLI::App& command, Options& options) {
  SlurmJob& job = options.job;
  command.add_option("--nodes", job.nodes, "Nodes, 1 by default, or a range, as in 2-4")
      ->check(NumberOfNodes())
      ->type_name("N");
  command.add_option("--time", job.time, "Time limit, as in 2:00:00; the job goes on as often as it takes")
      ->type_name("TIME");
  command.add_option("--partition", job.partition, "Partition")->type_name("NAME");
  command.add_option("--account", job.account, "Account")->type_name("NAME");
  command.add_option("--gpus-per-node", job.gpus_per_node, "GPUs on each node, as in 4 or a100:4")->type_name("N");
  command.add_option("--cpus-per-task", job.cpus_per_task, "CPUs on each node")
      ->check(WholeNumber(1, 1'000'000))
      ->type_name("N");
  command.add_option("--mem", job.memory, "Memory on each node, as in 32G")->type_name("SIZE");
  command.add_option("--job-name", options.name, "The job's name, the experiment's by default")->type_name("NAME");
  command.add_option("--output", job.output, "Where the job writes what it prints; %x-%j.txt by default: name and id")
      ->type_name("FILE");
  command
      .add_option("--signal-before", options.signal_before,
                  "Seconds before the time limit at which members checkpoint; by default from what was measured")
      ->check(WholeNumber(1, kLongestNoticeSeconds))
      ->type_name("SECONDS");
  command.add_flag("--no-requeue", options.no_requeue, "Do not queue the job again when its time is up");
  command.add_option("--sbatch", options.sbatch, "Any other option of sbatch, as in constraint=a100; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY[=VALUE]");
  command.add_option("sbatch-options", options.after_dashes, "After --: more options of sbatch, as they are")
      ->type_name("-- OPTIONS");
}

}  // namespace

void AddSlurm(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("slurm", "Print a batch script that trains an experiment with Slurm, or submit it");
  command->add_option("file", options->file, "The experiment")->required()->type_name("FILE");
  command->add_option("--set", options->overrides, "Change a default, as in training.epochs=3; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  AddJobOptions(*command, *options);
  CLI::Option* submit =
      command->add_flag("--submit", options->submit, "Hand the script to sbatch, and print the job's id");
  command->add_flag("--test-only", options->test_only, "Ask sbatch when the job would start; nothing is submitted")
      ->excludes(submit);
  options->home.AddTo(*command);
  options->slots.AddTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Slurm(*options); }; });
}

}  // namespace tutti::cli
