#include "worker/agent/launch_domain.h"

#include <fstream>

#include "common/hash.h"
#include "common/host_name.h"

namespace tutti::worker {
namespace {

// Empty where the kernel does not tell; then the name alone distinguishes.
std::string StartOfMachine() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace

std::string LaunchDomainOfMachine(const std::filesystem::path& runtime_folder) {
  // Containers of one machine share its start, and machines made from one image share their name.
  const std::string host = HostName();
  return host + "-" + HashText(host + "\n" + StartOfMachine() + "\n" + runtime_folder.string()).substr(0, 8);
}

std::string MachineKey() {
  std::string start = StartOfMachine();
  return start.empty() ? HostName() : start;
}

std::string NetworkKey() {
  std::error_code ignored;
  return MachineKey() + " " + std::filesystem::read_symlink("/proc/self/ns/net", ignored).string();
}

}  // namespace tutti::worker
