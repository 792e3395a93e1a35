// No process is left behind, however a worker dies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>

#include "tests/worker/agent/agent_fixture.h"
#include "worker/launch/process.h"

namespace tutti::worker {
namespace {

class OrphanTest : public AgentTest {
 protected:
  // A process that holds an agent with a gang of two ("gang") and one plain trainer ("solo").
  ChildProcess StartHolder() {
    Command command;
    command.arguments = {TestProgram("agent_process"), options_.home, options_.runtime_folder};
    command.environment = CurrentEnvironment();
    const std::map<std::string, std::vector<std::string>> scripts = {
        {"gang", {"deaf", "child pids", "pid pids", "await never"}}, {"solo", {"deaf", "pid pids", "await never"}}};
    for (const auto& [job, script] : scripts) {
      const auto start = Scripted(job, {0}, script);
      const auto task = start.task.folder / "task.json";
      std::ofstream(task) << protocol::ToJson(start.task).dump();
      command.arguments.push_back(task);
      folders_.push_back(start.task.folder);
    }
    return ChildProcess::Adopt(StartProcess(command).value()).value();
  }
  std::vector<pid_t> Trainers() {
    std::vector<pid_t> pids = Pids(folders_[0] / "pids", 4);
    for (const pid_t solo : Pids(folders_[1] / "pids", 1)) pids.push_back(solo);
    return pids;
  }
  bool AllEnd(const std::vector<pid_t>& pids) {
    return coordinator_.Until(
        [&] { return std::none_of(pids.begin(), pids.end(), [](pid_t pid) { return Runs(pid); }); });
  }

  std::vector<std::filesystem::path> folders_;
};

TEST_F(OrphanTest, NoneIsLeftWhenTheWorkerIsKilled) {
  ChildProcess holder = StartHolder();
  std::vector<pid_t> trainers = Trainers();
  const std::vector<pid_t> gang = Pids(folders_[0] / "pids", 4);
  for (const pid_t pid : gang) {
    const pid_t rank = ParentOf(pid);
    trainers.insert(trainers.end(), {rank, ParentOf(rank)});  // of a trainer, the launcher
  }
  std::erase(trainers, holder.pid());
  holder.Signal(SIGKILL);
  EXPECT_EQ(holder.Reap(), 128 + SIGKILL);
  EXPECT_TRUE(AllEnd(trainers));
}

TEST_F(OrphanTest, TheNextAgentSweepsWhatAKilledOneLeft) {
  ChildProcess holder = StartHolder();
  const std::vector<pid_t> trainers = Trainers();
  holder.Signal(SIGKILL);
  holder.Reap();
  ASSERT_TRUE(AllEnd(trainers));
  StartAgent();
  agent_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(options_.runtime_folder));
}

}  // namespace
}  // namespace tutti::worker
