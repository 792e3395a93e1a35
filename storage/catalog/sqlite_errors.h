// SQLite's errors as ours. Exceptions of SQLiteCpp end within this module.
#pragma once

#include <SQLiteCpp/Exception.h>

#include <string_view>
#include <utility>

#include "common/result.h"

namespace tutti::storage {

// A full disk is kNoSpace; a damaged file, or one that is no database, kCorrupt; one that is locked by another
// kConflict; one that may not be written kDenied; a failed read, write or sync kIo; all others are our own fault.
ErrorCode CodeOf(const SQLite::Exception& exception);

tl::unexpected<Error> FailSqlite(const SQLite::Exception& exception, std::string_view what);

// Runs `body`, which returns a Result, and turns what SQLite throws into one that begins with `what`.
template <typename Body>
auto Guarded(std::string_view what, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const SQLite::Exception& exception) {
    return FailSqlite(exception, what);
  }
}

}  // namespace tutti::storage
