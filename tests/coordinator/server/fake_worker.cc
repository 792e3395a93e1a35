#include "fake_worker.h"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <utility>

#include "common/hash.h"
#include "common/json.h"
#include "common/tensors/tensor_file.h"
#include "coordinator/server/ensemble_files.h"
#include "raw_client.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::testing {
namespace {

using protocol::StartAttempt;
using tensors::DType;

FileSystem& Files() { return PosixFileSystem(); }

void WriteTensors(const std::filesystem::path& path, std::vector<tensors::NamedTensor> tensors) {
  TUTTI_CHECK(Files().CreateDirectories(path.parent_path()));
  TUTTI_CHECK(server::WriteTensorsDurably(Files(), path, tensors, {}));
}

std::filesystem::path RelativeTo(const protocol::Task& task, const std::filesystem::path& path) {
  return path.lexically_relative(task.ensemble_folder);
}

}  // namespace

FakeWorker::FakeWorker(server::Coordinator& coordinator, int slots, Incarnation incarnation, std::string name,
                       std::string launch_domain)
    : id_(std::move(name)), incarnation_(incarnation), generation_(coordinator.generation()) {
  on_stop_ = [](FakeWorker& self, const protocol::StopAttempt& stop) {
    const StartAttempt start = self.starts_.at(stop.attempt);
    self.Checkpoint(start, 50);
    self.Say(start, protocol::StoppedEarly{50});
    self.Exit(start, protocol::kExitStopped);
  };
  auto [theirs, mine] =
      protocol::MakeLocalChannel(coordinator.post(), [this](std::function<void()> work) { Post(std::move(work)); });
  channel_ = std::move(mine);
  channel_->OnMessage([this](const std::string& text) { Hear(text); });
  channel_->OnClose([this] { closed_ = true; });
  thread_ = std::thread([this] { Run(); });
  protocol::Hello hello;
  hello.worker = id_;
  hello.incarnation = incarnation_;
  hello.host = "here";
  hello.launch_domain = std::move(launch_domain);
  hello.slots = slots;
  hello.threads_per_slot = 2;
  hello.device = "cpu";
  coordinator.AttachWorker(std::move(theirs));
  Send(hello);
}

FakeWorker::~FakeWorker() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void FakeWorker::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !work_.empty(); });
    if (ending_) return;
    auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    ++handled_;
    changed_.notify_all();
  }
}

void FakeWorker::Post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  changed_.notify_all();
}

void FakeWorker::Do(std::function<void()> work) {
  auto done = std::make_shared<bool>(false);
  Post([this, done, work = std::move(work)] {
    work();
    const std::lock_guard lock(mutex_);
    *done = true;
  });
  std::unique_lock lock(mutex_);
  TUTTI_CHECK(changed_.wait_for(lock, kPatience, [&] { return *done; }));
}

bool FakeWorker::WaitFor(std::function<bool()> condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    bool holds = false;
    int64_t handled_before = 0;
    Do([&] {
      holds = condition();
      const std::lock_guard lock(mutex_);
      handled_before = handled_;
    });
    if (holds) return true;
    // Looked at again once anything but the look itself was handled, which may be so already.
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] { return handled_ > handled_before + 1; });
  }
  return false;
}

bool FakeWorker::WaitForStart(const std::string& job, int attempt) {
  const std::string wanted = job + "/" + std::to_string(attempt);
  return WaitFor([this, wanted] { return std::find(order_.begin(), order_.end(), wanted) != order_.end(); });
}

std::optional<StartAttempt> FakeWorker::start_of(const std::string& job, int attempt) {
  std::optional<StartAttempt> found;
  Do([&] {
    for (const auto& [id, start] : starts_) {
      if (id.job.name == job && id.number == attempt) found = start;
    }
  });
  return found;
}

std::vector<std::string> FakeWorker::heard() {
  std::vector<std::string> copy;
  Do([&] { copy = heard_; });
  return copy;
}

std::vector<std::string> FakeWorker::started() {
  std::vector<std::string> copy;
  Do([&] { copy = order_; });
  return copy;
}

std::vector<int> FakeWorker::granted(const AttemptId& attempt) {
  std::vector<int> copy;
  Do([&] {
    if (const auto found = slots_.find(attempt); found != slots_.end()) copy = found->second;
  });
  return copy;
}

bool FakeWorker::closed() {
  bool copy = false;
  Do([&] { copy = closed_; });
  return copy;
}

std::optional<std::string> FakeWorker::refusal() {
  std::optional<std::string> copy;
  Do([&] { copy = refusal_; });
  return copy;
}

void FakeWorker::Script(std::string member, Play play) {
  Do([&] { scripts_[std::move(member)] = std::move(play); });
}

void FakeWorker::OnStop(std::function<void(FakeWorker&, const protocol::StopAttempt&)> handler) {
  Do([&] { on_stop_ = std::move(handler); });
}

void FakeWorker::Hear(const std::string& text) {
  heard_.push_back(ParseJson(text).value().at("type").get<std::string>());
  const protocol::ToWorkerMessage message = protocol::DecodeToWorker(text).value();
  std::visit([this](const auto& body) { On(body); }, message.body);
}

void FakeWorker::On(const protocol::Refused& message) { refusal_ = message.reason; }
void FakeWorker::On(const protocol::GrantSlots& message) { slots_[message.attempt] = message.slots; }

void FakeWorker::On(const StartAttempt& message) {
  if (!starts_.emplace(message.attempt, message).second) return;
  order_.push_back(message.attempt.job.name + "/" + std::to_string(message.attempt.number));
  if (message.task.kind == JobKind::kInspect && !scripts_.contains(message.attempt.job.name)) return Inspect(message);
  const auto script = scripts_.find(message.attempt.job.name);
  if (script == scripts_.end()) return Finish(message);
  Started(message);
  script->second(*this, message);
}

void FakeWorker::On(const protocol::StopAttempt& message) {
  if (starts_.contains(message.attempt)) on_stop_(*this, message);
}

void FakeWorker::Hush() { hushed_ = true; }

void FakeWorker::Send(protocol::FromWorker body) {
  if (hushed_) return;
  channel_->Send(protocol::Encode(protocol::FromWorkerMessage{generation_, incarnation_, std::move(body)}));
}

void FakeWorker::Say(const StartAttempt& start, protocol::TrainerEvent event) {
  const std::string line = protocol::ToJson(event).dump() + "\n";
  std::ofstream(start.task.events, std::ios::app) << line;
  int64_t& sequence = sequence_[start.attempt];
  sequence += static_cast<int64_t>(line.size());
  Send(protocol::AttemptEvent{start.attempt, sequence, std::move(event)});
}

void FakeWorker::Started(const StartAttempt& start) {
  Send(protocol::AttemptStarted{start.attempt});
  std::ofstream(start.task.folder / "log.txt") << "hello from " << start.attempt.str() << "\n";
  if (start.task.kind == JobKind::kTrain) {
    Say(start, protocol::Started{0, 100, 10, 1, {{"libtorch", "pretended"}}});
  }
}

void FakeWorker::Inspect(const StartAttempt& start) {
  Started(start);
  std::vector<int64_t> labels(kTrainingSamples + kTestSamples);
  for (size_t id = 0; id < labels.size(); ++id) labels[id] = static_cast<int64_t>(id) % kClasses;
  const auto path = start.task.folder / "labels.safetensors";
  WriteTensors(path,
               {{"labels", tensors::ViewOf<int64_t>(DType::kI64, {static_cast<int64_t>(labels.size())}, labels)}});
  Say(start, protocol::Inspected{kTrainingSamples,
                                 kTestSamples,
                                 kClasses,
                                 {},
                                 1,
                                 28,
                                 28,
                                 "hash-of-data",
                                 RelativeTo(start.task, path).string()});
  Exit(start, 0);
}

protocol::CheckpointWritten FakeWorker::WriteCheckpoint(const protocol::Task& task, int64_t step) {
  storage::CheckpointStore store(Files(), task.ensemble_folder);
  auto writer = store.Begin({task.attempt, step, static_cast<double>(step) / 10, {{"validation_loss", 0.5}}, {}});
  TUTTI_CHECK(writer);
  const std::string weights = "weights at step " + std::to_string(step);
  auto file = writer->Create("model.safetensors");
  TUTTI_CHECK(file && (*file)->Append(std::as_bytes(std::span(weights))) && (*file)->Sync() && (*file)->Close());
  const auto found = writer->Commit();
  TUTTI_CHECK(found);
  return {step,
          static_cast<double>(step) / 10,
          RelativeTo(task, found->folder).string(),
          found->manifest_hash,
          weights.size(),
          0.5};
}

void FakeWorker::Checkpoint(const StartAttempt& start, int64_t step) { Say(start, WriteCheckpoint(start.task, step)); }

void FakeWorker::Epoch(const StartAttempt& start, int epoch, int64_t step) {
  Say(start, protocol::EpochDone{epoch, step, 1.0 / epoch, 1.5 / epoch, 0.5, 0.1, 1000, 2.5});
}

// Right for every sample but those divisible by five, and more certain with a higher seed.
void FakeWorker::Predict(const StartAttempt& start) {
  const auto split = tensors::TensorFile::Read(Files(), start.task.split).value();
  for (const auto& [name, part] : {std::pair{"validation", Split::kValidation}, std::pair{"test", Split::kTest}}) {
    const auto view = split.Get(name).value();
    const auto given = view.As<int64_t>();
    if (given.empty()) continue;
    const std::vector<int64_t> ids(given.rbegin(), given.rend());  // in any order: they are keyed by id
    std::vector<float> logits(ids.size() * kClasses, 0.0F);
    for (size_t row = 0; row < ids.size(); ++row) {
      const int64_t answer = (ids[row] + (ids[row] % 5 == 0 ? 1 : 0)) % kClasses;
      logits[row * kClasses + static_cast<size_t>(answer)] = 2.0F + static_cast<float>(start.task.member->seed);
    }
    const auto count = static_cast<int64_t>(ids.size());
    const auto path = start.task.folder / "predictions" / "last" / (std::string(name) + ".safetensors");
    WriteTensors(path, {{"ids", tensors::ViewOf<int64_t>(DType::kI64, {count}, ids)},
                        {"logits", tensors::ViewOf<float>(DType::kF32, {count, kClasses}, logits)}});
    Say(start, protocol::PredictionsWritten{"last", part, RelativeTo(start.task, path).string(), count, 100,
                                            HashText(Files().Read(path).value())});
  }
}

void FakeWorker::Exit(const StartAttempt& start, int code) {
  Send(protocol::AttemptExited{start.attempt, code, ""});
  Send(protocol::SlotsFree{start.attempt, slots_.at(start.attempt)});
}

void FakeWorker::Finish(const StartAttempt& start) {
  Started(start);
  Epoch(start, 1, 10);
  Epoch(start, 2, 20);
  Checkpoint(start, 100);
  Predict(start);
  Say(start, protocol::Finished{100, 5.0});
  Exit(start, 0);
}

}  // namespace tutti::testing
