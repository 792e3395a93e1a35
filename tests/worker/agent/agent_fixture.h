// An agent with scripted trainers (tests/worker/launch/scripted_trainer.cc) and a coordinator that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "tests/support/temporary_folder.h"
#include "tests/worker/agent/fake_coordinator.h"
#include "worker/agent/agent.h"

namespace tutti::worker {

inline const char* const kStarted =
    R"({"event":"started","step":0,"total_steps":10,"steps_per_epoch":5,"world_size":1,"provenance":{}})";
inline const char* const kFinished = R"({"event":"finished","step":10,"train_seconds":0.5,"seconds":0.6})";
inline const char* const kStopped = R"({"event":"stopped_early","step":3})";

// Beside the test's own program, where CMake puts them.
inline std::filesystem::path TestProgram(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

inline protocol::Task TaskIn(const std::filesystem::path& home, const std::string& job, int attempt) {
  protocol::Task task;
  task.attempt = {{EnsembleId("digits-1"), job}, attempt};
  task.ensemble_folder = home / "digits-1";
  task.folder = task.ensemble_folder / "members" / job / fmt::format("attempt-{}", attempt);
  task.events = task.folder / "events.jsonl";
  task.cache = home / "cache";
  task.data.source = "idx";
  task.data.path = "/data";
  task.member.emplace();
  task.member->name = job;
  task.member->model = {"lenet5", Json::object()};
  task.member->training.optimizer = {"sgd", {{"lr", 0.1}}};
  task.member->training.schedule = {"constant", Json::object()};
  task.split = task.ensemble_folder / "split.safetensors";
  task.data_hash = "abc";
  task.classes = 10;
  return task;
}

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    options_.id = WorkerId("n1");
    options_.host = "n1";
    options_.home = folder_ / "home";
    options_.runtime_folder = folder_ / "run";
    options_.inventory = TakeInventory(ReadCpuLimits(), {2, 1}).value();
    options_.trainer = TestProgram("scripted_trainer");
    options_.tutti = TestProgram("rank_program");
    options_.heartbeat = std::chrono::milliseconds(20);
    options_.events_poll = std::chrono::milliseconds(10);
    std::filesystem::create_directories(options_.home);
  }

  void StartAgent() {
    auto agent = Agent::Start(options_);
    ASSERT_TRUE(agent) << agent.error().Text();
    agent_ = std::move(*agent);
  }
  // Connects and is welcome.
  protocol::Hello Join() {
    coordinator_.Forget();
    coordinator_.Connect(agent_->post(), [this](auto end) { agent_->Attach(std::move(end)); });
    const auto hello = coordinator_.Next<protocol::Hello>();
    coordinator_.Say(protocol::Welcome{});
    return hello;
  }
  void StartAndJoin() {
    StartAgent();
    Join();
  }

  // An attempt whose trainer will do what the script says.
  protocol::StartAttempt Scripted(const std::string& job, std::vector<int> slots,
                                  const std::vector<std::string>& script, int attempt = 1) {
    protocol::StartAttempt start;
    start.task = TaskIn(options_.home, job, attempt);
    start.attempt = start.task.attempt;
    for (const int slot : slots) start.gang.push_back({options_.id, slot});
    std::filesystem::create_directories(start.task.folder);
    std::ofstream file(start.task.folder / "script");
    for (const std::string& line : script) file << line << "\n";
    return start;
  }
  protocol::StartAttempt Start(const std::string& job, std::vector<int> slots, const std::vector<std::string>& script) {
    const auto start = Scripted(job, std::move(slots), script);
    coordinator_.Say(start);
    return start;
  }
  void Stop(const AttemptId& attempt, protocol::StopReason reason) {
    coordinator_.Say(protocol::StopAttempt{attempt, reason});
  }

  // A shell script that can be started.
  std::filesystem::path Program(const std::string& name, const std::string& script) const {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

  static void Touch(const std::filesystem::path& path) { std::ofstream file(path); }
  static std::string Read(const std::filesystem::path& path) { return PosixFileSystem().Read(path).value_or(""); }
  // The process ids that a script's `pid FILE` has written, once there are `count` of them.
  std::vector<pid_t> Pids(const std::filesystem::path& path, size_t count) {
    std::vector<pid_t> pids;
    EXPECT_TRUE(coordinator_.Until([&] {
      std::ifstream file(path);
      pids.clear();
      for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
      return pids.size() >= count;
    }));
    return pids;
  }
  static pid_t ParentOf(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string skipped;
    pid_t parent = 0;
    file >> skipped >> skipped >> skipped >> parent;
    return parent;
  }
  static bool Runs(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(file, text);
    const size_t end = text.rfind(')');
    if (end == std::string::npos) return false;
    // On its way out it has closed its files, lifelines too, a moment before it is a zombie.
    constexpr unsigned kExiting = 4;  // PF_EXITING, of the kernel's flags
    char state = 'X';
    std::string skipped;
    unsigned flags = kExiting;
    std::istringstream fields(text.substr(end + 1));
    fields >> state;
    for (int field = 0; field < 5; ++field) fields >> skipped;  // parent, group, session, terminal, its group
    fields >> flags;
    return state != 'Z' && state != 'X' && (flags & kExiting) == 0;
  }

  tutti::testing::TemporaryFolder folder_;
  AgentOptions options_;
  FakeCoordinator coordinator_;
  std::unique_ptr<Agent> agent_;
};

}  // namespace tutti::worker
