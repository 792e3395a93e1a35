// The catalog's tables, and how an older catalog becomes a newer one.
#pragma once

#include <SQLiteCpp/Database.h>

#include <span>
#include <string_view>

#include "common/result.h"

namespace tutti::storage {

// Step i brings a catalog from user_version i to i + 1; an empty file has 0. Steps that were ever released are never
// edited: what changes is appended.
std::span<const std::string_view> Migrations();

// Takes `database` through the steps that it lacks, all in one transaction. kInvalid when its user_version is beyond
// the last step: a newer program wrote it. Throws SQLite::Exception.
Result<void> Migrate(SQLite::Database& database, std::span<const std::string_view> steps);

// The error for a catalog of version `found` where this program knows `known`.
tl::unexpected<Error> FailTooNew(int found, int known);

}  // namespace tutti::storage
