#include "storage/catalog/sqlite_errors.h"

#include <sqlite3.h>

namespace tutti::storage {

ErrorCode CodeOf(const SQLite::Exception& exception) {
  switch (exception.getErrorCode()) {
    case SQLITE_FULL:
      return ErrorCode::kNoSpace;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kConflict;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return ErrorCode::kDenied;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOLFS:
      return ErrorCode::kIo;
    default:
      return ErrorCode::kInternal;
  }
}

tl::unexpected<Error> FailSqlite(const SQLite::Exception& exception, std::string_view what) {
  return Fail(CodeOf(exception), "{}: {} (SQLite error {})", what, exception.what(), exception.getExtendedErrorCode());
}

}  // namespace tutti::storage
