#include "storage/catalog/schema.h"

#include <SQLiteCpp/Transaction.h>

#include <array>
#include <string>

namespace tutti::storage {
namespace {

// Times are milliseconds since 1970, truth values 0 and 1, gangs and dependencies JSON. A double that is no number is
// stored as the text 'nan', for SQLite would make NULL of it.
constexpr std::string_view kRecords = R"sql(
CREATE TABLE ensembles (
  id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, spec TEXT NOT NULL, spec_hash TEXT NOT NULL,
  data_hash TEXT NOT NULL, split_drawn INTEGER NOT NULL, combined INTEGER NOT NULL, submitted_at INTEGER NOT NULL,
  ended_at INTEGER, note TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
  ensemble TEXT NOT NULL, job TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
  minimum_slots INTEGER NOT NULL, maximum_slots INTEGER NOT NULL, after TEXT NOT NULL, attempts INTEGER NOT NULL,
  failures INTEGER NOT NULL, not_before INTEGER, reason TEXT NOT NULL, PRIMARY KEY (ensemble, job)) WITHOUT ROWID;
CREATE TABLE attempts (
  ensemble TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, gang TEXT NOT NULL,
  leader_incarnation INTEGER NOT NULL, granted_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,
  resumed_from_step INTEGER, acknowledged INTEGER NOT NULL, exit_code INTEGER, error TEXT NOT NULL,
  PRIMARY KEY (ensemble, job, number)) WITHOUT ROWID;
CREATE TABLE epochs (
  ensemble TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, epoch INTEGER NOT NULL, step INTEGER NOT NULL,
  train_loss REAL NOT NULL, validation_loss REAL, validation_accuracy REAL, learning_rate REAL NOT NULL,
  images_per_second REAL NOT NULL, train_seconds REAL NOT NULL,
  PRIMARY KEY (ensemble, job, number, epoch)) WITHOUT ROWID;
CREATE TABLE checkpoints (
  ensemble TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, step INTEGER NOT NULL, state TEXT NOT NULL,
  epoch REAL NOT NULL, folder TEXT NOT NULL, manifest_hash TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  validation_loss REAL, PRIMARY KEY (ensemble, job, number, step)) WITHOUT ROWID;
CREATE TABLE predictions (
  ensemble TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, predictor TEXT NOT NULL, split TEXT NOT NULL,
  file TEXT NOT NULL, samples INTEGER NOT NULL, step INTEGER NOT NULL,
  PRIMARY KEY (ensemble, job, number, predictor, split)) WITHOUT ROWID;
)sql";

// So that the id of an ensemble that was removed is never given again.
constexpr std::string_view kNumbers = R"sql(
CREATE TABLE numbers (name TEXT NOT NULL PRIMARY KEY, highest INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO numbers
  SELECT substr(stem, 1, length(stem) - 1), max(CAST(substr(id, length(stem) + 1) AS INTEGER))
  FROM (SELECT id, rtrim(id, '0123456789') AS stem FROM ensembles)
  WHERE stem LIKE '%-' AND length(id) > length(stem) GROUP BY 1;
)sql";

constexpr std::string_view kPredictionHashes = "ALTER TABLE predictions ADD COLUMN hash TEXT NOT NULL DEFAULT ''";

constexpr std::string_view kSubmissions =
    "CREATE TABLE submissions (key TEXT NOT NULL PRIMARY KEY, ensemble TEXT NOT NULL) WITHOUT ROWID";

constexpr std::string_view kDrains =
    "CREATE TABLE drains (worker TEXT NOT NULL PRIMARY KEY, since INTEGER NOT NULL, checkpoint INTEGER NOT NULL) "
    "WITHOUT ROWID";

constexpr std::string_view kPriorities = "ALTER TABLE ensembles ADD COLUMN priority INTEGER NOT NULL DEFAULT 0";

constexpr auto kMigrations =
    std::to_array<std::string_view>({kRecords, kNumbers, kPredictionHashes, kSubmissions, kDrains, kPriorities});

}  // namespace

std::span<const std::string_view> Migrations() { return kMigrations; }

tl::unexpected<Error> FailTooNew(int found, int known) {
  return Fail(ErrorCode::kInvalid,
              "the catalog has format {}, this program knows formats up to {}: use the newer version of tutti that "
              "wrote it",
              found, known);
}

Result<void> Migrate(SQLite::Database& database, std::span<const std::string_view> steps) {
  const int version = database.execAndGet("PRAGMA user_version").getInt();
  const int latest = static_cast<int>(steps.size());
  if (version > latest) return FailTooNew(version, latest);
  if (version == latest) return {};
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  for (const std::string_view step : steps.subspan(static_cast<size_t>(version))) database.exec(std::string(step));
  database.exec(fmt::format("PRAGMA user_version = {}", latest));
  transaction.commit();
  return {};
}

}  // namespace tutti::storage
