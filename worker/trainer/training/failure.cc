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

// LibTorch appends the stack to some of its messages; people want the sentence.
std::string_view WithoutStack(std::string_view message) {
  message = message.substr(0, message.find("\nframe #"));
  while (message.ends_with('\n')) message.remove_suffix(1);
  return message;
}

Failure FailureOf(int exit_code, std::string_view message) {
  if (!SpeaksOfMemory(message)) return {exit_code, std::string(WithoutStack(message))};
  return {protocol::kExitOutOfMemory,
          fmt::format("out of memory: {}; lower training.batch_size, or take a smaller model or more memory",
                      WithoutStack(message))};
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
  const auto fail = [](int exit_code, std::string_view message) {
    return tl::unexpected<Failure>(FailureOf(exit_code, message));
  };
  try {
    Result<void> result = work();
    if (result) return {};
    return fail(ExitCodeOf(result.error().code), result.error().Text());
  } catch (const std::bad_alloc&) {
    return fail(protocol::kExitOutOfMemory, "not enough memory for the program's own needs");
  } catch (const c10::OutOfMemoryError& error) {
    return fail(protocol::kExitOutOfMemory, fmt::format("out of memory: {}", error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return fail(protocol::kExitInternal, fmt::format("LibTorch failed: {}", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return fail(protocol::kExitInternal, fmt::format("the trainer failed: {}", error.what()));
  }
}

Error Recoded(Error error, ErrorCode code) {
  error.code = code;
  return error;
}

Error AsBadData(Error error) {
  const bool of_source = error.code == ErrorCode::kInvalid || error.code == ErrorCode::kNotFound;
  return of_source ? Recoded(std::move(error), ErrorCode::kCorrupt) : error;
}

Error AsBadTask(Error error) {
  const bool of_file =
      error.code == ErrorCode::kInvalid || error.code == ErrorCode::kNotFound || error.code == ErrorCode::kCorrupt;
  return of_file ? Recoded(std::move(error), ErrorCode::kInvalid) : error;
}

}  // namespace tutti::trainer
