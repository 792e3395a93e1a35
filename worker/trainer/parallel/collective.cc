#include "worker/trainer/parallel/collective.h"

#include <torch/torch.h>

#include <cstdlib>
#include <limits>
#include <string>

namespace tutti::trainer {
namespace {

class SoloCollective : public Collective {
 public:
  explicit SoloCollective(CollectiveOptions options) : options_(options) {}

  class Done : public Operation {
   public:
    Result<void> Wait() override { return {}; }
  };

  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string_view kind() const override { return "solo"; }
  std::chrono::milliseconds patience() const override { return options_.timeout; }
  Result<std::unique_ptr<Operation>> StartAllReduceSum(at::Tensor) override { return std::make_unique<Done>(); }
  void Progress() override {}
  Result<void> Broadcast(at::Tensor, int) override { return {}; }
  Result<void> Barrier() override { return {}; }
  void Abort(int) override {}
  Result<void> Shutdown() override { return {}; }

 private:
  CollectiveOptions options_;
};

// Open MPI's mpirun tells the size; srun --mpi=pmix only that there is a PMIx server, so MPI itself is asked.
bool StartedByMpiLauncher() {
  if (const char* size = std::getenv("OMPI_COMM_WORLD_SIZE")) return std::atoi(size) > 1;
  return std::getenv("PMIX_RANK") != nullptr;
}

Result<CollectiveOptions> WithEnvironment(CollectiveOptions options) {
  const char* text = std::getenv("TUTTI_COLLECTIVE_TIMEOUT");
  if (text == nullptr) return options;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds > 0 && seconds < 1e6)) {
    return Fail(ErrorCode::kInvalid, "TUTTI_COLLECTIVE_TIMEOUT is \"{}\"; it must be a number of seconds above 0",
                text);
  }
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  return options;
}

}  // namespace

Result<void> Collective::AllReduceSum(const at::Tensor& tensor) {
  constexpr int64_t kPiece = std::numeric_limits<int>::max();
  const at::Tensor flat = tensor.view({-1});
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    TUTTI_ASSIGN_OR_RETURN(auto operation,
                           StartAllReduceSum(flat.narrow(0, begin, std::min(kPiece, flat.numel() - begin))));
    TUTTI_RETURN_IF_ERROR(operation->Wait());
  }
  return {};
}

std::unique_ptr<Collective> MakeSoloCollective(CollectiveOptions options) {
  return std::make_unique<SoloCollective>(options);
}

Result<std::unique_ptr<Collective>> MakeCollective(c10::Device device, CollectiveOptions options) {
  TUTTI_ASSIGN_OR_RETURN(options, WithEnvironment(options));
  if (!StartedByMpiLauncher()) return MakeSoloCollective(options);
  // NCCL's implementation for CUDA devices registers itself here: rank 0 makes the id, MPI_Bcast hands it to the gang.
  if (!device.is_cpu()) {
    return Fail(ErrorCode::kInvalid, "this build reduces over several ranks on CPUs only; run one rank on {}",
                device.str());
  }
  return MakeMpiCollective(options);
}

}  // namespace tutti::trainer
