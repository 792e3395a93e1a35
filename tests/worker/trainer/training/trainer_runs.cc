#include "tests/worker/trainer/training/trainer_runs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>

#include "common/tensors/tensor_file.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr int kSide = 28;
constexpr int kClasses = 10;
constexpr std::chrono::minutes kLongestRun(4);

std::string BigEndian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

int LabelOf(int64_t sample) { return static_cast<int>(sample % kClasses); }

// Now and then another class than the image shows, behind the training samples.
int MistakenLabelOf(int64_t sample) {
  const bool mistaken = sample >= TrainerRuns::kTraining && sample % 21 == 0;
  return LabelOf(sample + (mistaken ? 1 : 0));
}

void WriteIdx(const fs::path& folder, const std::string& part, int64_t count, unsigned seed, int (*label_of)(int64_t)) {
  std::mt19937 random(seed);
  std::ofstream images(folder / (part + "-images-idx3-ubyte"), std::ios::binary);
  std::ofstream labels(folder / (part + "-labels-idx1-ubyte"), std::ios::binary);
  images << BigEndian(0x803) << BigEndian(static_cast<uint32_t>(count)) << BigEndian(kSide) << BigEndian(kSide);
  labels << BigEndian(0x801) << BigEndian(static_cast<uint32_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    labels.put(static_cast<char>(label_of(i)));
    // A bright bar whose place is the class, under noise.
    for (int pixel = 0; pixel < kSide * kSide; ++pixel) {
      const int row = pixel / kSide;
      const int bright = row / 2 == LabelOf(i) + 2 ? 120 : 0;
      images.put(static_cast<char>(bright + static_cast<int>(random() % 100)));
    }
  }
}

void WriteData(const fs::path& folder, int (*label_of)(int64_t)) {
  fs::create_directories(folder);
  WriteIdx(folder, "train", TrainerRuns::kTraining + TrainerRuns::kValidation, 1, label_of);
  WriteIdx(folder, "t10k", TrainerRuns::kTest, 2, LabelOf);
}

std::vector<int64_t> Ids(int64_t begin, int64_t count) {
  std::vector<int64_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), begin);
  return ids;
}

using Words = std::vector<std::string>;

void Append(Words& words, const Words& more) { words.insert(words.end(), more.begin(), more.end()); }

Words Mpirun() { return {"mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"}; }

#ifdef __SANITIZE_ADDRESS__
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

// AddressSanitizer maps terabytes, which RLIMIT_AS would forbid; it has a limit of its own, for one allocation.
Words LimitedByAddressSanitizer(uint64_t bytes) {
  return {"env", fmt::format("ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb={}",
                             bytes >> 20)};
}

Words CommandFor(const Words& arguments, const Launch& launch) {
  Words command;
  if (kAddressSanitizer && launch.memory_limit > 0) command = LimitedByAddressSanitizer(launch.memory_limit);
  if (launch.ranks > 1) {
    Append(command, Mpirun());
    Append(command, {"-np", std::to_string(launch.ranks)});
  }
  command.push_back(TUTTI_TRAINER_PROGRAM);
  Append(command, arguments);
  return command;
}

struct Streams {
  int output;
  int errors;
};

void Limit(int resource, uint64_t bytes) {
  if (bytes == 0) return;
  const rlimit limit = {bytes, bytes};
  setrlimit(static_cast<__rlimit_resource>(resource), &limit);
}

// Between fork and exec: calls that are safe there alone.
[[noreturn]] void BecomeTrainer(char* const* arguments, Streams streams, const Launch& launch) {
  Limit(RLIMIT_FSIZE, launch.file_size_limit);
  if (!kAddressSanitizer) Limit(RLIMIT_AS, launch.memory_limit);
  dup2(streams.output, STDOUT_FILENO);
  dup2(streams.errors, STDERR_FILENO);
  execvp(arguments[0], arguments);
  _exit(127);
}

int CreateFile(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  TUTTI_CHECK(descriptor >= 0);
  return descriptor;
}

pid_t Start(const std::vector<std::string>& command, Streams streams, const Launch& launch) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  setenv("OMP_WAIT_POLICY", "passive", 1);
  const pid_t child = fork();
  if (child == 0) BecomeTrainer(arguments.data(), streams, launch);
  TUTTI_CHECK(child > 0);
  close(streams.output);
  close(streams.errors);
  return child;
}

std::vector<protocol::TrainerEvent> ReadEvents(const fs::path& path) {
  std::vector<protocol::TrainerEvent> events;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (file.eof()) break;  // torn: its writer was killed
    auto json = ParseJson(line);
    TUTTI_CHECK(json.has_value());
    auto event = protocol::TrainerEventFromJson(*json);
    TUTTI_CHECK(event.has_value());
    events.push_back(std::move(*event));
  }
  return events;
}

int64_t StepOf(const protocol::TrainerEvent& event) {
  return std::visit(
      [](const auto& said) -> int64_t {
        if constexpr (requires { said.step; }) {
          return said.step;
        } else {
          return 0;
        }
      },
      event);
}

uint64_t SizeOf(const fs::path& path) {
  std::error_code missing;
  const auto size = fs::file_size(path, missing);
  return missing ? 0 : size;
}

// What a launch does to its child meanwhile.
class Interference {
 public:
  Interference(const Launch& launch, fs::path events) : launch_(launch), events_(std::move(events)) {}

  void Act(pid_t child) {
    const auto age = SteadyClock::now() - start_;
    if (age > kLongestRun) kill(child, SIGKILL);
    if (launch_.kill_at_bytes && SizeOf(events_) >= *launch_.kill_at_bytes) kill(child, SIGKILL);
    if (launch_.stop_on_progress && HasProgress()) kill(child, SIGTERM);
    if (launch_.stop_on_events_file && fs::exists(events_)) kill(child, SIGTERM);
    if (launch_.signal_on_step > 0 && signals_sent_ < 3 && Reached(launch_.signal_on_step)) {
      kill(child, SIGUSR1);
      ++signals_sent_;
    }
  }

 private:
  bool Reached(int step) const {
    return std::ranges::any_of(ReadEvents(events_), [&](const auto& event) { return StepOf(event) >= step; });
  }

  bool HasProgress() const { return !Of<protocol::Progress>(ReadEvents(events_)).empty(); }

  const Launch& launch_;
  fs::path events_;
  SteadyClock::time_point start_ = SteadyClock::now();
  int signals_sent_ = 0;
};

int WaitFor(pid_t child, Interference interference) {
  while (true) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    interference.Act(child);
    poll(nullptr, 0, 2);
  }
}

std::string Contents(const fs::path& path) {
  std::stringstream contents;
  contents << std::ifstream(path, std::ios::binary).rdbuf();
  return contents.str();
}

spec::MemberSpec MakeMember(const std::string& name) {
  spec::MemberSpec member;
  member.name = name;
  member.model = {"lenet5", {{"padding", "classic"}, {"init", "torch"}}};
  member.seed = 3;
  member.training.length = 3;
  member.training.batch_size = 32;
  member.training.optimizer = {
      "sgd", {{"lr", 0.05}, {"momentum", 0.9}, {"nesterov", true}, {"dampening", 0.0}, {"weight_decay", 5e-4}}};
  member.training.schedule = {"cosine", {{"warmup_epochs", 0.5}, {"min_lr", 0.0}}};
  return member;
}

}  // namespace

void WriteSplit(const fs::path& path, SplitSizes sizes) {
  std::vector<std::vector<int64_t>> parts;  // keeps what the views show
  std::vector<tensors::NamedTensor> arrays;
  int64_t next = 0;
  for (const auto& [name, size] :
       {std::pair("training", sizes.training), {"validation", sizes.validation}, {"test", sizes.test}}) {
    if (size == 0) continue;
    const auto& ids = parts.emplace_back(Ids(next, size));
    arrays.push_back({name, tensors::ViewOf<int64_t>(tensors::DType::kI64, {size}, ids)});
    next += size;
  }
  auto file = *PosixFileSystem().Create(path);
  TUTTI_CHECK(tensors::WriteSafetensors(*file, arrays).has_value());
}

TrainerRuns::TrainerRuns() {
  WriteData(root() / "data", LabelOf);
  WriteData(root() / "mistaken", MistakenLabelOf);
  WriteSplit(root() / "split.safetensors", {kTraining, kValidation, kTest});
}

protocol::Task TrainerRuns::MakeTask(const std::string& member, int number) const {
  protocol::Task task;
  task.attempt = {{EnsembleId("test-1"), member}, number};
  task.kind = JobKind::kTrain;
  task.ensemble_folder = root() / "test-1";
  task.folder = task.ensemble_folder / storage::AttemptFolder(task.attempt);
  task.events = task.folder / "events.jsonl";
  task.cache = root() / "cache";
  task.data.source = "idx";
  task.data.path = root() / "data";
  task.data.validation = kValidation;
  task.member = MakeMember(member);
  task.split = root() / "split.safetensors";
  task.classes = kClasses;
  return task;
}

protocol::Task TrainerRuns::MakeRichTask(const std::string& member) const {
  protocol::Task task = MakeTask(member);
  spec::TrainingSpec& training = task.member->training;
  task.member->model = {"mlp", {{"hidden", Json::array({24})}, {"dropout", 0.3}, {"init", "torch"}}};
  // What grows surer of itself is punished for it by labels that are wrong: the best epoch is not the last.
  task.data.path = root() / "mistaken";
  training.optimizer.parameters["lr"] = 0.01;
  training.length = 6;
  training.predict = spec::TrainingSpec::Predict::kBest;
  training.checkpoint = {.every = 7, .unit = spec::CheckpointSpec::Unit::kSteps, .keep = 2};
  task.shards = 2;
  return task;
}

fs::path TrainerRuns::WriteTask(const protocol::Task& task) const {
  const fs::path path = root() / fmt::format("{}-{}.json", task.attempt.job.name, task.attempt.number);
  std::ofstream(path) << protocol::ToJson(task).dump();
  return path;
}

RunOutcome TrainerRuns::Run(const protocol::Task& task, const Launch& launch) const {
  return RunFile(WriteTask(task), task.events, launch);
}

RunOutcome TrainerRuns::RunFile(const fs::path& task_file, const fs::path& events, const Launch& launch) const {
  return RunProgram({"train", task_file.string()}, events, launch);
}

RunOutcome TrainerRuns::RunProgram(const std::vector<std::string>& arguments, const fs::path& events,
                                   const Launch& launch) const {
  return RunCommand(CommandFor(arguments, launch), events, launch);
}

RunOutcome TrainerRuns::RunRanks(const std::vector<fs::path>& task_files, const fs::path& events) const {
  Words command = Mpirun();
  for (const fs::path& file : task_files) {
    if (file != task_files.front()) command.push_back(":");
    Append(command, {"-np", "1", TUTTI_TRAINER_PROGRAM, "train", file.string()});
  }
  return RunCommand(command, events, {});
}

RunOutcome TrainerRuns::RunCommand(const std::vector<std::string>& command, const fs::path& events,
                                   const Launch& launch) const {
  const fs::path output = root() / "stdout";
  const fs::path errors = root() / "stderr";
  const pid_t child = Start(command, {CreateFile(output), CreateFile(errors)}, launch);
  RunOutcome outcome;
  outcome.exit_code = WaitFor(child, Interference(launch, events));
  outcome.output = Contents(output);
  outcome.errors = Contents(errors);
  outcome.events = ReadEvents(events);
  return outcome;
}

protocol::Task TrainerRuns::Retry(const protocol::Task& task) const {
  protocol::Task next = task;
  ++next.attempt.number;
  next.folder = next.ensemble_folder / storage::AttemptFolder(next.attempt);
  next.events = next.folder / "events.jsonl";
  const storage::CheckpointStore store(PosixFileSystem(), task.ensemble_folder);
  if (const auto found = store.Inspect(task.attempt); found && !found->checkpoints.empty()) {
    next.resume_from = found->checkpoints.back().folder;
    if (next.resume_from->is_relative()) next.resume_from = task.ensemble_folder / *next.resume_from;
  }
  return next;
}

std::string TrainerRuns::ModelAt(const protocol::Task& task, int64_t step) const {
  return Contents(task.folder / storage::StepFolderName(step) / "model.safetensors");
}

std::string TrainerRuns::TrainingTensorsAt(const protocol::Task& task, int64_t step) const {
  auto file = tensors::TensorFile::Read(PosixFileSystem(),
                                        task.folder / storage::StepFolderName(step) / "training.safetensors");
  TUTTI_CHECK(file.has_value());
  std::string all;
  for (const std::string& name : file->names()) {
    const auto bytes = file->Get(name)->bytes;
    all.append(name).append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return all;
}

std::string Predictions(const protocol::Task& task, const std::string& predictor, Split split) {
  return Contents(task.folder / "predictions" / predictor / fmt::format("{}.safetensors", Name(split)));
}

void ExpectSameEnd(const TrainerRuns& runs, const protocol::Task& undisturbed, const protocol::Task& last) {
  constexpr int64_t kEnd = TrainerRuns::kRichLastStep;
  EXPECT_EQ(runs.ModelAt(last, kEnd), runs.ModelAt(undisturbed, kEnd));
  EXPECT_EQ(runs.TrainingTensorsAt(last, kEnd), runs.TrainingTensorsAt(undisturbed, kEnd));
  EXPECT_FALSE(Predictions(last, "best", Split::kTest).empty());
  EXPECT_EQ(Predictions(last, "best", Split::kTest), Predictions(undisturbed, "best", Split::kTest));
}

}  // namespace tutti::trainer
