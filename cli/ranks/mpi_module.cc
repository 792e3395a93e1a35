#include "cli/ranks/mpi_module.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace {

int Init(int* rank, int* size) {
  if (const int error = MPI_Init(nullptr, nullptr); error != MPI_SUCCESS) return error;
  // A lost peer is told as an error, where it is told at all.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const int error = MPI_Comm_rank(MPI_COMM_WORLD, rank); error != MPI_SUCCESS) return error;
  return MPI_Comm_size(MPI_COMM_WORLD, size);
}

int Gather(const char* own, int bytes, char* all) {
  return MPI_Allgather(own, bytes, MPI_CHAR, all, bytes, MPI_CHAR, MPI_COMM_WORLD);
}

int Broadcast(char* text, int bytes) { return MPI_Bcast(text, bytes, MPI_CHAR, 0, MPI_COMM_WORLD); }

void Describe(int code, char* text, int bytes) {
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  if (MPI_Error_string(code, words.data(), &length) != MPI_SUCCESS) length = 0;
  const int kept = std::min(length, bytes - 1);
  std::copy_n(words.begin(), kept, text);
  text[kept] = '\0';
}

constexpr TuttiMpi kModule{kTuttiMpiVersion, Init, Gather, Broadcast, [] { return MPI_Finalize(); }, Describe};

}  // namespace

extern "C" const TuttiMpi* tutti_mpi() { return &kModule; }
