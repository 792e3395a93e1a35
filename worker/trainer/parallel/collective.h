// What the ranks of a gang do together.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/result.h"

namespace tutti::trainer {

// Every rank makes the same calls in the same order, on contiguous tensors of the same size; float32, float64 and
// int64. The same number of ranks gives the same bits, and every rank gets the same.
//
// Not thread-safe: all calls come from the thread that made it. Nothing waits longer than the timeout it was made with:
// kTimeout names the rank and the step. After any error the gang is beyond help: call Abort.
class Collective {
 public:
  // An operation under way. Destroying it does not wait; the tensor is held until it has ended.
  class Operation {
   public:
    virtual ~Operation() = default;
    virtual Result<void> Wait() = 0;
  };

  virtual ~Collective() = default;  // talks to nobody
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string_view kind() const = 0;  // "solo", "mpi"
  // How long the others wait for this rank before they give up; solo, how long a disk may keep it waiting.
  virtual std::chrono::milliseconds patience() const = 0;

  // Starts to sum `tensor` in place over all ranks, at most 2^31 - 1 elements.
  virtual Result<std::unique_ptr<Operation>> StartAllReduceSum(at::Tensor tensor) = 0;
  // Lets operations under way go on; cheap, called often.
  virtual void Progress() = 0;
  // The same sum, waited for, of any size.
  Result<void> AllReduceSum(const at::Tensor& tensor);
  // Bytes of any dtype from `root` to all.
  virtual Result<void> Broadcast(at::Tensor tensor, int root) = 0;
  virtual Result<void> Barrier() = 0;

  // Ends the whole gang, this process included when there is a gang; solo it does nothing.
  virtual void Abort(int exit_code) = 0;
  // Waits for all ranks, then leaves. No call may follow.
  virtual Result<void> Shutdown() = 0;

  // The step that the messages of errors name.
  void SetStep(int64_t step) { step_ = step; }

 protected:
  int64_t step() const { return step_; }

 private:
  int64_t step_ = 0;
};

struct CollectiveOptions {
  // TUTTI_COLLECTIVE_TIMEOUT in seconds overrides it. Long enough for the rank that decodes a data set while the
  // others wait for it.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

// The collective of the gang that the environment names: MPI when an MPI launcher started more than one rank, else
// solo. kInvalid: no implementation for several ranks on such a device.
Result<std::unique_ptr<Collective>> MakeCollective(c10::Device device, CollectiveOptions options);

std::unique_ptr<Collective> MakeSoloCollective(CollectiveOptions options = {});
// Initialises MPI: once a process.
Result<std::unique_ptr<Collective>> MakeMpiCollective(CollectiveOptions options);

}  // namespace tutti::trainer
