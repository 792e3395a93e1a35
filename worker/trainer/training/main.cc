// tutti-trainer: the LibTorch process of an attempt.

#include <torch/torch.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "common/protocol/trainer_events.h"
#include "worker/trainer/training/build.h"
#include "worker/trainer/training/run.h"
#include "worker/trainer/training/stop_request.h"

namespace {

constexpr char kHelp[] =
    "Usage: tutti-trainer train TASK.json     trains a member; under mpirun on several ranks\n"
    "       tutti-trainer inspect TASK.json   reads what a data source holds\n"
    "       tutti-trainer meet                under mpirun: says how many ranks met\n"
    "       tutti-trainer --version\n"
    "       tutti-trainer --build             says in JSON what it was built from and trains on\n"
    "\n"
    "The task file says what to do, and where the events file lies to which events are appended, a JSON object a "
    "line.\n"
    "SIGUSR1 and SIGTERM end a training after a checkpoint.\n"
    "\n"
    "Exit codes: 0 finished, 64 bad task, 65 bad data, 70 internal error, 74 I/O failed, 75 stopped on request after "
    "a\n"
    "checkpoint, 76 diverged, 77 out of memory.\n";

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "train") tutti::trainer::ListenForStopRequests();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error like a full disk
  if (argc == 2 && command == "--help") {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (argc == 2 && command == "--version") {
    std::printf("tutti-trainer %s (LibTorch %s)\n", TUTTI_VERSION, TORCH_VERSION);
    return 0;
  }
  if (argc == 2 && command == "--build") {
    std::puts(tutti::trainer::DescribeBuild(TUTTI_VERSION).dump().c_str());
    return 0;
  }
  at::set_num_interop_threads(1);
  if (argc == 2 && command == "meet") return tutti::trainer::RunMeet();
  if (argc == 3 && command == "train") return tutti::trainer::RunTrain(argv[2]);
  if (argc == 3 && command == "inspect") return tutti::trainer::RunInspect(argv[2]);
  std::fputs(kHelp, stderr);
  return tutti::protocol::kExitBadTask;
}
