// Which workers a launcher can bring together in one gang.
#pragma once

#include <filesystem>
#include <string>

namespace tutti::worker {

// The same for all workers of this machine, since its last start, whose ranks find each other in `runtime_folder`; no
// other has it. Begins with the host's name, for people.
std::string LaunchDomainOfMachine(const std::filesystem::path& runtime_folder);

// The same for all processes that share this machine's CPUs, in whichever containers they are.
std::string MachineKey();

// The same for all processes of this machine that share its loopback.
std::string NetworkKey();

}  // namespace tutti::worker
