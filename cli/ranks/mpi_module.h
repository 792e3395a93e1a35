// What `tutti` needs of MPI, in a library of its own (lib/tutti/tutti-mpi.so) that is loaded only where a launcher has
// started several ranks: without it `tutti` needs no MPI. Plain C, so that either side may be built anew.
//
// All on one thread, in this order: init, what is between, finalize. 0: done; anything else: a code of MPI's, which
// `describe` puts in words.
#pragma once

extern "C" {

struct TuttiMpi {
  int version;  // kTuttiMpiVersion of the one who built it
  int (*init)(int* rank, int* size);
  // `all` has room for `size` times `bytes`, in the order of ranks.
  int (*gather)(const char* own, int bytes, char* all);
  // From rank 0 to all.
  int (*broadcast)(char* text, int bytes);
  int (*finalize)();
  void (*describe)(int code, char* text, int bytes);
};

using TuttiMpiOf = const TuttiMpi* (*)();
}

inline constexpr int kTuttiMpiVersion = 1;
inline constexpr const char* kTuttiMpiFunction = "tutti_mpi";
