// The wish that training end after a checkpoint: SIGUSR1 or SIGTERM, once or many times.
#pragma once

namespace tutti::trainer {

// Takes over both signals for the process, and ignores SIGXFSZ: a file that may not grow is an error like a full disk.
void InstallSignalHandlers();
bool StopRequested();

}  // namespace tutti::trainer
