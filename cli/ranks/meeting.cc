#include "cli/ranks/meeting.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/ranks/mpi_module.h"
#include "common/host_name.h"
#include "common/whole_number.h"

namespace tutti::cli {
namespace {

constexpr Duration kDeadline = std::chrono::minutes(5);
constexpr int kMostSeconds = 86'400;
// A token and some addresses; what a machine has.
constexpr size_t kLongestText = size_t{1} << 20;

// Ends the process unless it is called off in time.
class Watchdog {
 public:
  Watchdog(Duration deadline, std::string last_words)
      : thread_([this, deadline, words = std::move(last_words)] { Watch(deadline, words); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      called_off_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void Watch(Duration deadline, const std::string& words) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, deadline, [this] { return called_off_; })) return;
    PrintToError(words);
    _exit(kExitTimeout);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool called_off_ = false;
  std::thread thread_;  // last: it uses what stands above
};

Result<const TuttiMpi*> Load(const std::filesystem::path& file) {
  // Open MPI's own plug-ins look its symbols up among the global ones.
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  const char* cure =
      "install Open MPI's library and the tutti that was built with it on every node, or name the file by "
      "TUTTI_MPI_MODULE; --launcher local runs each rank alone";
  if (library == nullptr) {
    const char* why = ::dlerror();
    return Fail(ErrorCode::kNotFound, "this is one of several ranks, and what speaks MPI cannot be loaded ({}): {}",
                why == nullptr ? file.string() : why, cure);
  }
  const auto function = reinterpret_cast<TuttiMpiOf>(::dlsym(library, kTuttiMpiFunction));
  if (function == nullptr || function()->version != kTuttiMpiVersion) {
    return Fail(ErrorCode::kNotFound, "{} is not of this tutti: {}", file.string(), cure);
  }
  return function();
}

std::string NotAllCame(const OuterLaunch& launch, Duration deadline) {
  return fmt::format(
      "tutti: rank {} of {} on {}: not all ranks have met within {} s; one may have died, hang, or wait for the home. "
      "TUTTI_MEETING_TIMEOUT gives them longer\n",
      launch.rank, launch.size, HostName(), std::chrono::duration_cast<std::chrono::seconds>(deadline).count());
}

}  // namespace

struct Meeting::State {
  const TuttiMpi* mpi = nullptr;
  int rank = 0;
  int size = 1;
  std::unique_ptr<Watchdog> watchdog;

  Result<void> Check(int code) const {
    if (code == 0) return {};
    std::array<char, 512> words{};
    mpi->describe(code, words.data(), static_cast<int>(words.size()));
    return Fail(ErrorCode::kUnreachable, "the ranks cannot speak with each other: {}", words.data());
  }
};

std::filesystem::path MpiModuleFile() {
  if (const char* named = std::getenv("TUTTI_MPI_MODULE"); named != nullptr && *named != '\0') return named;
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return program.parent_path().parent_path() / "lib/tutti/tutti-mpi.so";
}

Result<Duration> MeetingDeadline(const worker::Environment& environment) {
  const auto named = environment.find("TUTTI_MEETING_TIMEOUT");
  if (named == environment.end()) return kDeadline;
  const int seconds = ParseWholeNumber<int>(named->second).value_or(0);
  if (seconds >= 1 && seconds <= kMostSeconds) return std::chrono::seconds(seconds);
  return Fail(ErrorCode::kInvalid, "TUTTI_MEETING_TIMEOUT={} is no whole number of seconds from 1 to {}", named->second,
              kMostSeconds);
}

Meeting::Meeting(std::unique_ptr<State> state) : state_(std::move(state)) {}
Meeting::Meeting(Meeting&&) noexcept = default;
Meeting::~Meeting() = default;

int Meeting::rank() const { return state_->rank; }
int Meeting::size() const { return state_->size; }

Result<Meeting> Meeting::Join(const OuterLaunch& launch, Duration deadline) {
  auto state = std::make_unique<State>();
  TUTTI_ASSIGN_OR_RETURN(state->mpi, Load(MpiModuleFile()));
  state->watchdog = std::make_unique<Watchdog>(deadline, NotAllCame(launch, deadline));
  TUTTI_RETURN_IF_ERROR(state->Check(state->mpi->init(&state->rank, &state->size)));
  if (state->size == launch.size && state->rank == launch.rank) return Meeting(std::move(state));
  return Fail(
      ErrorCode::kInvalid,
      "the launcher says that this is rank {} of {}, and MPI that it is rank {} of {}: tutti speaks with "
      "another MPI than the one that has started it; use the mpirun that tutti was built with, or build it with "
      "the MPI of this one",
      launch.rank, launch.size, state->rank, state->size);
}

Result<std::vector<std::string>> Meeting::Exchange(const std::string& own) {
  TUTTI_CHECK(own.size() <= kLongestText);
  const auto ranks = static_cast<size_t>(size());
  const auto length = static_cast<uint32_t>(own.size());
  std::vector<uint32_t> lengths(ranks);
  TUTTI_RETURN_IF_ERROR(state_->Check(state_->mpi->gather(reinterpret_cast<const char*>(&length), sizeof(length),
                                                          reinterpret_cast<char*>(lengths.data()))));
  const size_t longest = std::ranges::max(lengths);
  if (longest > kLongestText) return Fail(ErrorCode::kInvalid, "a rank wants to say {} bytes", longest);
  std::string padded = own;
  padded.resize(longest);
  std::string all(ranks * longest, '\0');
  TUTTI_RETURN_IF_ERROR(state_->Check(state_->mpi->gather(padded.data(), static_cast<int>(longest), all.data())));
  std::vector<std::string> texts;
  for (size_t rank = 0; rank < ranks; ++rank) texts.push_back(all.substr(rank * longest, lengths[rank]));
  return texts;
}

Result<std::string> Meeting::Broadcast(const std::string& text) {
  TUTTI_CHECK(text.size() <= kLongestText);
  auto length = static_cast<uint32_t>(text.size());
  TUTTI_RETURN_IF_ERROR(state_->Check(state_->mpi->broadcast(reinterpret_cast<char*>(&length), sizeof(length))));
  if (length > kLongestText) return Fail(ErrorCode::kInvalid, "rank 0 wants to say {} bytes", length);
  std::string said = text;
  said.resize(length);
  TUTTI_RETURN_IF_ERROR(state_->Check(state_->mpi->broadcast(said.data(), static_cast<int>(length))));
  return said;
}

Result<void> Meeting::Leave() {
  const Result<void> left = state_->Check(state_->mpi->finalize());
  state_->watchdog.reset();
  return left;
}

}  // namespace tutti::cli
