// Errors as values. What a user, a file, a peer or a disk can cause is a Result; exceptions stay inside the library
// that throws them; CHECK is for our own bugs.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace tutti {

enum class ErrorCode {
  kInvalid,      // wrong input: a file, an option, a message
  kNotFound,     // no such thing
  kExists,       // there already, and must not be
  kNoSpace,      // the disk is full
  kIo,           // reading or writing failed; never retried after a failed sync
  kCorrupt,      // what was read is not what was written
  kUnreachable,  // no one answers
  kDenied,       // not allowed
  kConflict,     // held by another (the home's lock, a newer generation)
  kTimeout,      // a deadline passed
  kCancelled,    // asked to stop
  kInternal,     // our own fault
};

std::string_view Name(ErrorCode code);

// What happened, where, and what to do, in one sentence or two; and what it came from.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::shared_ptr<const Error> cause;

  // The message followed by those of its causes, fit to be shown: control characters in it are written out.
  std::string Text() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

template <typename... Args>
tl::unexpected<Error> Fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...), nullptr});
}

// The same with the error it came from, whose code it keeps.
template <typename... Args>
tl::unexpected<Error> FailBecause(Error cause, fmt::format_string<Args...> format, Args&&... args) {
  const ErrorCode code = cause.code;
  return tl::unexpected<Error>(
      Error{code, fmt::format(format, std::forward<Args>(args)...), std::make_shared<const Error>(std::move(cause))});
}

// The error of a system call that failed with `system_errno`: ENOSPC and EDQUOT are kNoSpace, ENOENT kNotFound, EEXIST
// kExists, EACCES and EPERM kDenied, all others kIo.
tl::unexpected<Error> FailErrno(int system_errno, std::string_view what);

namespace detail {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace detail

}  // namespace tutti

// For our own bugs: prints the condition and aborts, in every build.
#define TUTTI_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::tutti::detail::CheckFailed(#condition, __FILE__, __LINE__))

#define TUTTI_CONCAT_(a, b) a##b
#define TUTTI_CONCAT(a, b) TUTTI_CONCAT_(a, b)

// Returns from the calling function when `expression` (a Result) failed.
#define TUTTI_RETURN_IF_ERROR(expression)                                                      \
  do {                                                                                         \
    auto tutti_result = (expression);                                                          \
    if (!tutti_result) return tl::unexpected<::tutti::Error>(std::move(tutti_result.error())); \
  } while (false)

// TUTTI_ASSIGN_OR_RETURN(auto value, Compute());
#define TUTTI_ASSIGN_OR_RETURN(target, expression) \
  TUTTI_ASSIGN_OR_RETURN_(TUTTI_CONCAT(tutti_result_, __LINE__), target, expression)
#define TUTTI_ASSIGN_OR_RETURN_(result, target, expression)                      \
  auto result = (expression);                                                    \
  if (!result) return tl::unexpected<::tutti::Error>(std::move(result.error())); \
  target = std::move(*result)
