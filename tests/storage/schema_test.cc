#include "storage/catalog/schema.h"

#include <SQLiteCpp/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>

#include "storage/catalog/sqlite_errors.h"
#include "tests/storage/records.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SQLite::Database OpenRaw(const fs::path& path) {
  return SQLite::Database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
}

int UserVersion(SQLite::Database& database) { return database.execAndGet("PRAGMA user_version").getInt(); }

TEST(Migrate, RunsTheStepsThatAreLacking) {
  const auto steps = std::to_array<std::string_view>({"CREATE TABLE a (x)", "CREATE TABLE b (x)"});
  SQLite::Database database(":memory:", SQLite::OPEN_READWRITE);
  ASSERT_TRUE(Migrate(database, std::span(steps).first(1)));
  EXPECT_EQ(UserVersion(database), 1);
  ASSERT_TRUE(Migrate(database, steps));
  ASSERT_TRUE(Migrate(database, steps)) << "nothing lacks any more";
  EXPECT_EQ(UserVersion(database), 2);
  EXPECT_TRUE(database.tableExists("a"));
  EXPECT_TRUE(database.tableExists("b"));
}

TEST(Migrate, AStepThatFailsUndoesThoseBeforeIt) {
  const auto steps = std::to_array<std::string_view>({"CREATE TABLE a (x)", "CREATE NONSENSE"});
  SQLite::Database database(":memory:", SQLite::OPEN_READWRITE);
  EXPECT_THROW(static_cast<void>(Migrate(database, steps)), SQLite::Exception);
  EXPECT_EQ(UserVersion(database), 0);
  EXPECT_FALSE(database.tableExists("a"));
}

TEST(Migrate, EveryOlderFormatOpens) {
  for (size_t version = 1; version <= Migrations().size(); ++version) {
    const testing::TemporaryFolder home;
    fs::create_directories(home / "catalog/0001");
    {
      SQLite::Database database = OpenRaw(home / "catalog/0001/catalog.db");
      ASSERT_TRUE(Migrate(database, Migrations().first(version)));
      database.exec(
          "INSERT INTO ensembles (id, state, spec, spec_hash, data_hash, split_drawn, combined, submitted_at, "
          "ended_at, note) "
          "VALUES ('fashion-mnist-3', 'finished', '{}', '', '', 1, 1, 5, NULL, ''), "
          "('fashion-mnist-12', 'finished', '{}', '', '', 1, 1, 5, NULL, ''), "
          "('nonumber', 'finished', '{}', '', '', 1, 1, 5, NULL, '')");
      database.exec(
          "INSERT INTO predictions (ensemble, job, number, predictor, split, file, samples, step) "
          "VALUES ('fashion-mnist-3', 'm', 1, 'last', 'test', 'p', 10, 30)");
    }
    const auto read = Catalog::ReadNewest(PosixFileSystem(), home.path());
    ASSERT_TRUE(read) << version << ": " << read.error().Text();
    const auto catalog = Catalog::Open(PosixFileSystem(), home.path());
    ASSERT_TRUE(catalog) << version << ": " << catalog.error().Text();
    EXPECT_EQ(catalog->Load().value().ensembles.size(), 3U);
    EXPECT_EQ(catalog->Load().value(), *read);
    ASSERT_EQ(read->predictions.size(), 1U);
    EXPECT_EQ(read->predictions[0].step, 30);
    EXPECT_EQ(read->predictions[0].hash, "") << "it was recorded without one";
    EXPECT_EQ(catalog->FindSubmission("key").value(), std::nullopt);
    if (version == 1) {
      EXPECT_EQ(catalog->HighestNumber("fashion-mnist").value(), 12);
    }
  }
}

TEST(Migrate, ANewerFormatIsRefusedInASentenceAndNoGenerationIsBegun) {
  const testing::TemporaryFolder home;
  fs::create_directories(home / "catalog/0007");
  const int newer = static_cast<int>(Migrations().size()) + 1;
  {
    SQLite::Database database = OpenRaw(home / "catalog/0007/catalog.db");
    database.exec(fmt::format("CREATE TABLE later (x); PRAGMA user_version = {}", newer));
  }
  const auto catalog = Catalog::Open(PosixFileSystem(), home.path());
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(catalog.error().Text(), HasSubstr(fmt::format("format {}", newer)));
  EXPECT_THAT(catalog.error().Text(), HasSubstr("use the newer version of tutti"));
  EXPECT_EQ(Catalog::ReadNewest(PosixFileSystem(), home.path()).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(PosixFileSystem().List(home / "catalog").value().size(), 1U)
      << "a generation would drive out the newer coordinator that may be running";
}

TEST(SqliteErrors, AreOurs) {
  const auto code = [](int sqlite_code) { return CodeOf(SQLite::Exception("", sqlite_code)); };
  EXPECT_EQ(code(SQLITE_FULL), ErrorCode::kNoSpace);
  EXPECT_EQ(code(SQLITE_CORRUPT), ErrorCode::kCorrupt);
  EXPECT_EQ(code(SQLITE_NOTADB), ErrorCode::kCorrupt);
  EXPECT_EQ(code(SQLITE_BUSY), ErrorCode::kConflict);
  EXPECT_EQ(code(SQLITE_READONLY), ErrorCode::kDenied);
  EXPECT_EQ(code(SQLITE_IOERR), ErrorCode::kIo);
  EXPECT_EQ(code(SQLITE_CANTOPEN), ErrorCode::kIo);
  EXPECT_EQ(code(SQLITE_CONSTRAINT), ErrorCode::kInternal);
}

TEST(SqliteErrors, AFullDatabaseIsAFullDisk) {
  SQLite::Database database(":memory:", SQLite::OPEN_READWRITE);
  database.exec("CREATE TABLE a (x); PRAGMA max_page_count = 4");
  const auto filled = Guarded("cannot fill it", [&]() -> Result<void> {
    database.exec("INSERT INTO a VALUES (randomblob(100000))");
    return {};
  });
  ASSERT_FALSE(filled);
  EXPECT_EQ(filled.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(filled.error().message, HasSubstr("cannot fill it"));
}

TEST(Catalog, ARowThatNoProgramOfOursWroteIsCorrupt) {
  const testing::TemporaryFolder home;
  { ASSERT_TRUE(Catalog::Open(PosixFileSystem(), home.path())); }
  {
    SQLite::Database database = OpenRaw(home / "catalog/0001/catalog.db");
    database.exec(
        "INSERT INTO ensembles (id, state, spec, spec_hash, data_hash, split_drawn, combined, submitted_at, ended_at, "
        "note) "
        "VALUES ('a-1', 'glorious', '{}', '', '', 1, 1, 5, NULL, '')");
  }
  const auto records = Catalog::ReadNewest(PosixFileSystem(), home.path());
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(records.error().Text(), HasSubstr("glorious"));
  EXPECT_THAT(records.error().Text(), HasSubstr("table ensembles holds a row a-1"));
  EXPECT_THAT(records.error().Text(), HasSubstr("tutti fsck --rebuild"));
}

}  // namespace
}  // namespace tutti::storage
