// The wish that training end after a checkpoint: SIGUSR1 or SIGTERM, once or many times.
#pragma once

namespace tutti::trainer {

// Takes over both signals for the process.
void ListenForStopRequests();
bool StopRequested();

}  // namespace tutti::trainer
