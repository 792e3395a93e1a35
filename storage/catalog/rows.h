// Records as rows of the catalog and back. All throw SQLite::Exception.
#pragma once

#include <SQLiteCpp/Database.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/records.h"
#include "common/result.h"
#include "storage/catalog/statements.h"

namespace tutti::storage {

// Adds the record or replaces that of the same key.
void Store(Statements& statements, const Record& record);
void Store(SQLite::Database& database, const SubmissionKey& key);
void Erase(SQLite::Database& database, const Erasure& erasure);

// Everything, by key. kCorrupt for a row that no program of ours wrote.
Result<Records> LoadAll(SQLite::Database& database);

// See Catalog::HighestNumber.
int LoadHighestNumber(SQLite::Database& database, std::string_view name);

// See Catalog::FindSubmission.
std::optional<EnsembleId> LoadSubmission(SQLite::Database& database, std::string_view key);

// Of every name. What is raised never goes down.
std::map<std::string, int> LoadHighestNumbers(SQLite::Database& database);
void RaiseHighestNumber(SQLite::Database& database, const std::string& name, int number);

}  // namespace tutti::storage
