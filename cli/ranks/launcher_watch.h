// Ends a rank whose launcher has been killed: once MPI has ended nothing else would.
#pragma once

namespace tutti::cli {

// From now on this process ends at once, and its trainers with it, when the process that has started it is gone:
// mpirun, or what stands for it on other nodes, which goes with it. Where the kernel cannot tell, nothing is watched.
void EndWithLauncher();

}  // namespace tutti::cli
