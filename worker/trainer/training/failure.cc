#include "worker/trainer/training/failure.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string_view>

#include "common/protocol/trainer_events.h"

namespace tutti::trainer {
namespace {

// LibTorch's CPU allocator throws a plain c10::Error.
bool SpeaksOfMemory(std::string_view message) {
  return message.find("not enough memory") != std::string_view::npos ||
         message.find("can't allocate memory") != std::string_view::npos ||
         message.find("out of memory") != std::string_view::npos;
}

tl::unexpected<Failure> OutOfMemory(std::string_view detail) {
  return tl::unexpected<Failure>(
      Failure{protocol::kExitOutOfMemory,
              fmt::format("out of memory: {}; lower training.batch_size or give the member more memory", detail)});
}

}  // namespace

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return protocol::kExitBadTask;
    case ErrorCode::kCorrupt:
      return protocol::kExitBadData;
    case ErrorCode::kNotFound:
    case ErrorCode::kExists:
    case ErrorCode::kNoSpace:
    case ErrorCode::kDenied:
    case ErrorCode::kIo:
      return protocol::kExitIo;
    default:
      return protocol::kExitInternal;
  }
}

tl::expected<void, Failure> Guarded(const std::function<Result<void>()>& work) {
  try {
    Result<void> result = work();
    if (result) return {};
    return tl::unexpected<Failure>(Failure{ExitCodeOf(result.error().code), result.error().Text()});
  } catch (const std::bad_alloc&) {
    return OutOfMemory("an allocation failed");
  } catch (const c10::OutOfMemoryError& error) {
    return OutOfMemory(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    if (SpeaksOfMemory(error.what_without_backtrace())) return OutOfMemory(error.what_without_backtrace());
    return tl::unexpected<Failure>(
        Failure{protocol::kExitInternal, fmt::format("LibTorch failed: {}", error.what_without_backtrace())});
  } catch (const std::exception& error) {
    if (SpeaksOfMemory(error.what())) return OutOfMemory(error.what());
    return tl::unexpected<Failure>(
        Failure{protocol::kExitInternal, fmt::format("the trainer failed: {}", error.what())});
  }
}

Error Recoded(Error error, ErrorCode code) {
  error.code = code;
  return error;
}

Error AsBadData(Error error) {
  const bool disk = error.code == ErrorCode::kIo || error.code == ErrorCode::kNoSpace;
  return disk ? error : Recoded(std::move(error), ErrorCode::kCorrupt);
}

}  // namespace tutti::trainer
