#include "cli/ranks/launcher_watch.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "worker/launch/process.h"

namespace tutti::cli {

void EndWithLauncher() {
  OwnedDescriptor launcher = worker::OpenProcess(::getppid());
  if (launcher.get() < 0) return;
  std::thread([launcher = std::move(launcher)] {
    pollfd waiting{launcher.get(), POLLIN, 0};
    while (::poll(&waiting, 1, -1) < 0 && errno == EINTR) {
    }
    PrintToError("tutti: the launcher of this rank is gone: it ends at once\n");
    ::_exit(kExitFailed);
  }).detach();
}

}  // namespace tutti::cli
