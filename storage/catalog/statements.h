// A connection with the statements that are run again and again, each prepared once.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <map>
#include <memory>
#include <string>

namespace tutti::storage {

// Ends before its connection does. Not thread-safe.
class Statements {
 public:
  explicit Statements(SQLite::Database& database) : database_(database) {}

  // To be bound and run; as long as it is not asked for again. Throws SQLite::Exception.
  SQLite::Statement& Get(const std::string& sql) {
    std::unique_ptr<SQLite::Statement>& statement = prepared_[sql];
    if (!statement) statement = std::make_unique<SQLite::Statement>(database_, sql);
    statement->reset();
    statement->clearBindings();
    return *statement;
  }

  // For what is run rarely.
  operator SQLite::Database&() { return database_; }  // NOLINT(google-explicit-constructor)

 private:
  SQLite::Database& database_;
  std::map<std::string, std::unique_ptr<SQLite::Statement>> prepared_;
};

}  // namespace tutti::storage
