// A trainer that does what a script says: a file `script` beside its task, one command a line. A line that begins with
// "N:" is for rank N alone. Every file that it names lies beside the task.
//
//   say JSON          append a line to events.jsonl        half TEXT     append text without an end of line
//   print TEXT        write a line to stdout               flood BYTES   write that much to stdout
//   listen            let SIGUSR1 be waited for            await-signal  wait for SIGUSR1
//   deaf              ignore SIGUSR1 and SIGTERM           await FILE    wait until the file is there
//   child FILE        fork one that waits, note its id     pid FILE      append the process id
//   facts FILE        write environment, CPUs, open files  sum FILE      start MPI, write the sum of ranks
//   die SIGNAL        by its number                        exit CODE
//
// It ends with 0 after the last line, and with 99 when it has waited for two minutes.

#include <fcntl.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

namespace {

namespace fs = std::filesystem;

volatile sig_atomic_t signalled = 0;
constexpr int kWaitedTooLong = 99;

void Await(auto&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) std::_Exit(kWaitedTooLong);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Append(const fs::path& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0 || write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::_Exit(98);
  close(file);
}

void Listen() {
  struct sigaction action = {};
  action.sa_handler = [](int) { signalled = 1; };
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void StartChild(const fs::path& path) {
  const pid_t child = fork();
  if (child != 0) return Append(path, std::to_string(child) + "\n");
  Await([] { return false; });
}

void WriteFacts(const fs::path& path) {
  std::ostringstream facts;
  for (char** entry = environ; *entry != nullptr; ++entry) facts << *entry << "\n";
  cpu_set_t cpus;
  sched_getaffinity(0, sizeof(cpus), &cpus);
  facts << "cpus:";
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<size_t>(cpu), &cpus)) facts << " " << cpu;
  }
  facts << "\n";
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    facts << "open " << entry.path().filename().string() << " " << fs::read_symlink(entry.path(), ignored).string()
          << "\n";
  }
  facts << "folder " << fs::current_path().string() << "\n";
  Append(path, facts.str());
}

void SumRanks(const fs::path& path) {
  MPI_Init(nullptr, nullptr);
  int rank = 0, sum = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  int one = rank + 1;
  MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  Append(path, std::to_string(sum) + "\n");
  MPI_Finalize();
}

void Obey(const fs::path& folder, const std::string& command, const std::string& argument) {
  if (command == "say") return Append(folder / "events.jsonl", argument + "\n");
  if (command == "half") return Append(folder / "events.jsonl", argument);
  if (command == "print") return static_cast<void>(std::cout << argument << std::endl);
  if (command == "flood") return static_cast<void>(std::cout << std::string(std::stoul(argument), 'x') << std::endl);
  if (command == "listen") return Listen();
  if (command == "await-signal") return Await([] { return signalled != 0; });
  if (command == "deaf")
    return static_cast<void>(signal(SIGUSR1, SIG_IGN)), static_cast<void>(signal(SIGTERM, SIG_IGN));
  if (command == "await") return Await([&] { return fs::exists(folder / argument); });
  if (command == "child") return StartChild(folder / argument);
  if (command == "pid") return Append(folder / argument, std::to_string(getpid()) + "\n");
  if (command == "facts") return WriteFacts(folder / argument);
  if (command == "sum") return SumRanks(folder / argument);
  if (command == "die") return static_cast<void>(raise(std::stoi(argument)));
  if (command == "exit") std::_Exit(std::stoi(argument));
  std::cerr << "unknown command: " << command << std::endl;
  std::_Exit(97);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const fs::path folder = fs::path(argv[2]).parent_path();
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const std::string own_prefix = std::string(rank == nullptr ? "0" : rank) + ":";
  std::ifstream script(folder / "script");
  for (std::string line; std::getline(script, line);) {
    if (line.size() > 2 && line[1] == ':') {
      if (!line.starts_with(own_prefix)) continue;
      line.erase(0, 2);
    }
    const size_t space = line.find(' ');
    Obey(folder, line.substr(0, space), space == std::string::npos ? "" : line.substr(space + 1));
  }
  return 0;
}
