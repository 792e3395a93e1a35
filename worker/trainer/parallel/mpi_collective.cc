#include <mpi.h>
#include <sched.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "worker/trainer/parallel/collective.h"

namespace tutti::trainer {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr int kExitInternal = 70;

// Ends the process when a call that cannot be polled (MPI_Init, MPI_Finalize) does not return in time.
class Watchdog {
 public:
  Watchdog(std::chrono::milliseconds limit, std::string what)
      : thread_([this, limit, text = std::move(what)] { Guard(limit, text); }) {}
  Watchdog(const Watchdog&) = delete;
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void Guard(std::chrono::milliseconds limit, const std::string& what) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, limit, [&] { return done_; })) return;
    std::fprintf(stderr, "tutti-trainer: %s did not return within %lld ms: a rank of the gang is stuck or gone\n",
                 what.c_str(), static_cast<long long>(limit.count()));
    _exit(kExitInternal);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

MPI_Datatype TypeOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kLong:
      return MPI_INT64_T;
    default:
      TUTTI_CHECK(!"a dtype that collectives reduce");
      return MPI_FLOAT;
  }
}

std::string MpiText(int code) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  return std::string(text, static_cast<size_t>(length));
}

class MpiCollective : public Collective {
 public:
  MpiCollective(int rank, int size, CollectiveOptions options) : rank_(rank), size_(size), options_(options) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string_view kind() const override { return "mpi"; }
  std::chrono::milliseconds patience() const override { return options_.timeout; }

  Result<std::unique_ptr<Operation>> StartAllReduceSum(at::Tensor tensor) override {
    TUTTI_CHECK(tensor.is_contiguous() && tensor.is_cpu() && tensor.numel() <= std::numeric_limits<int>::max());
    auto open = std::make_shared<Open>(Open{std::move(tensor), MPI_REQUEST_NULL});
    const int code =
        MPI_Iallreduce(MPI_IN_PLACE, open->tensor.mutable_data_ptr(), static_cast<int>(open->tensor.numel()),
                       TypeOf(open->tensor), MPI_SUM, MPI_COMM_WORLD, &open->request);
    if (code != MPI_SUCCESS) return FailMpi("the sum over all ranks", code);
    open_.push_back(open);
    return std::make_unique<Sum>(*this, std::move(open));
  }

  void Progress() override {
    for (const auto& open : open_) {
      int ended = 0;
      if (open->error == MPI_SUCCESS) open->error = MPI_Test(&open->request, &ended, MPI_STATUS_IGNORE);
    }
    std::erase_if(open_, [](const auto& open) { return open->request == MPI_REQUEST_NULL; });
  }

  Result<void> Broadcast(at::Tensor tensor, int root) override {
    constexpr int64_t kPieceBytes = int64_t{1} << 30;
    TUTTI_CHECK(tensor.is_contiguous() && tensor.is_cpu());
    char* bytes = static_cast<char*>(tensor.mutable_data_ptr());
    const int64_t total = static_cast<int64_t>(tensor.nbytes());
    for (int64_t begin = 0; begin < total; begin += kPieceBytes) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int count = static_cast<int>(std::min(kPieceBytes, total - begin));
      const int code = MPI_Ibcast(bytes + begin, count, MPI_BYTE, root, MPI_COMM_WORLD, &request);
      if (code != MPI_SUCCESS) return FailMpi("a broadcast", code);
      TUTTI_RETURN_IF_ERROR(WaitFor(request, "a broadcast"));
    }
    return {};
  }

  Result<void> Barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    const int code = MPI_Ibarrier(MPI_COMM_WORLD, &request);
    if (code != MPI_SUCCESS) return FailMpi("a barrier", code);
    return WaitFor(request, "a barrier");
  }

  void Abort(int exit_code) override {
    std::fflush(nullptr);
    const Watchdog watchdog(options_.timeout, fmt::format("MPI_Abort of rank {}", rank_));
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
  }

  // The barrier first: what fails is told with rank and step, and MPI_Finalize then has nothing to wait for.
  Result<void> Shutdown() override {
    TUTTI_RETURN_IF_ERROR(Barrier());
    const Watchdog watchdog(options_.timeout, fmt::format("MPI_Finalize of rank {}", rank_));
    const int code = MPI_Finalize();
    if (code != MPI_SUCCESS) return Fail(ErrorCode::kInternal, "MPI_Finalize failed with code {}", code);
    return {};
  }

 private:
  struct Open {
    at::Tensor tensor;
    MPI_Request request;
    int error = MPI_SUCCESS;
  };

  class Sum : public Operation {
   public:
    Sum(MpiCollective& collective, std::shared_ptr<Open> open) : collective_(collective), open_(std::move(open)) {}
    Result<void> Wait() override {
      if (open_->error != MPI_SUCCESS) return collective_.FailMpi("the sum over all ranks", open_->error);
      TUTTI_RETURN_IF_ERROR(collective_.WaitFor(open_->request, "the sum over all ranks"));
      std::erase(collective_.open_, open_);
      return {};
    }

   private:
    MpiCollective& collective_;
    std::shared_ptr<Open> open_;
  };

  // Tests instead of waiting: it gives the core to whoever needs it, and ends when a peer never answers.
  Result<void> WaitFor(MPI_Request& request, std::string_view what) {
    const SteadyTime deadline = std::chrono::steady_clock::now() + options_.timeout;
    while (true) {
      int ended = 0;
      const int code = MPI_Test(&request, &ended, MPI_STATUS_IGNORE);
      if (code != MPI_SUCCESS) return FailMpi(what, code);
      if (ended != 0) return {};
      if (std::chrono::steady_clock::now() > deadline) {
        return Fail(ErrorCode::kTimeout,
                    "rank {} of {} waited {} ms for {} at step {}: another rank is stuck or gone; look at the others' "
                    "logs",
                    rank_, size_, options_.timeout.count(), what, step());
      }
      sched_yield();
    }
  }

  tl::unexpected<Error> FailMpi(std::string_view what, int code) const {
    return Fail(ErrorCode::kUnreachable, "rank {} of {}: {} failed at step {}: {}", rank_, size_, what, step(),
                MpiText(code));
  }

  int rank_, size_;
  CollectiveOptions options_;
  std::vector<std::shared_ptr<Open>> open_;
};

}  // namespace

Result<std::unique_ptr<Collective>> MakeMpiCollective(CollectiveOptions options) {
  const Watchdog watchdog(options.timeout, "MPI_Init");
  int provided = 0;
  int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (code != MPI_SUCCESS) return Fail(ErrorCode::kUnreachable, "MPI_Init failed with code {}", code);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return std::make_unique<MpiCollective>(rank, size, options);
}

}  // namespace tutti::trainer
