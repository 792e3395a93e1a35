// A process that holds an agent, to be killed: agent_process HOME RUNTIME_FOLDER TASK...
//
// It runs each task, the first on slots 0 and 1, the second on slot 2, and stays.

#include <unistd.h>

#include <string>

#include "common/file_system.h"
#include "common/json.h"
#include "tests/worker/agent/agent_fixture.h"
#include "worker/agent/agent.h"

int main(int argc, char** argv) {
  using namespace tutti;
  using namespace tutti::worker;
  if (argc < 4) return 2;
  AgentOptions options;
  options.id = WorkerId("n1");
  options.home = argv[1];
  options.runtime_folder = argv[2];
  options.inventory = TakeInventory(ReadCpuLimits(), {3, 1}).value();
  options.trainer = TestProgram("scripted_trainer");
  options.tutti = TestProgram("rank_program");
  const auto agent = Agent::Start(options).value();
  FakeCoordinator coordinator;
  coordinator.Connect(agent->post(), [&](auto end) { agent->Attach(std::move(end)); });
  coordinator.Say(protocol::Welcome{});
  for (int i = 3; i < argc; ++i) {
    const auto text = PosixFileSystem().Read(argv[i]);
    protocol::StartAttempt start;
    start.task = protocol::TaskFromJson(ParseJson(text.value()).value()).value();
    start.attempt = start.task.attempt;
    if (i == 3) start.gang = {{options.id, 0}, {options.id, 1}};
    if (i == 4) start.gang = {{options.id, 2}};
    coordinator.Say(start);
  }
  ::alarm(120);  // were the test to die first
  coordinator.Until([] { return false; });
  return 0;
}
