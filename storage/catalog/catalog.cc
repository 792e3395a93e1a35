#include "storage/catalog/catalog.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Transaction.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <map>
#include <system_error>
#include <utility>

#include "storage/catalog/generations.h"
#include "storage/catalog/rows.h"
#include "storage/catalog/schema.h"
#include "storage/catalog/sqlite_errors.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kGenerationsKept = 3;
constexpr uint64_t kUserVersionOffset = 60;  // in SQLite's file header, four bytes, big endian

int KnownVersion() { return static_cast<int>(Migrations().size()); }
int VersionOf(SQLite::Database& database) { return database.execAndGet("PRAGMA user_version").getInt(); }

// Opens for one connection that nothing shares: no shared memory file, which network file systems do not have. Throws.
SQLite::Database OpenAlone(const fs::path& path) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  return database;
}

// Sets write-ahead logging, each commit synced. Throws.
Result<void> MakeDurable(SQLite::Database& database) {
  const std::string mode = database.execAndGet("PRAGMA journal_mode = WAL").getString();
  if (mode != "wal") return Fail(ErrorCode::kIo, "SQLite cannot keep a write-ahead log here, only '{}'", mode);
  database.exec("PRAGMA synchronous = FULL");
  return {};
}

// Throws.
Result<void> CheckWhole(SQLite::Database& database) {
  const std::string verdict = database.execAndGet("PRAGMA quick_check(1)").getString();
  if (verdict != "ok") return Fail(ErrorCode::kCorrupt, "quick_check says: {}", verdict);
  return {};
}

// The copy of a generation, checked and of today's format. `opened` is called once database and log are open: from then
// on nothing needs their names.
// kNotFound for one that was never begun: an empty database.
Result<SQLite::Database> OpenCopy(
    const fs::path& path, const std::function<void()>& opened = [] {}) {
  return Guarded(fmt::format("cannot use {}", path.string()), [&]() -> Result<SQLite::Database> {
    SQLite::Database database = OpenAlone(path);
    TUTTI_RETURN_IF_ERROR(MakeDurable(database));
    const int version = VersionOf(database);  // the first read opens the log
    opened();
    TUTTI_RETURN_IF_ERROR(CheckWhole(database));
    if (version == 0) return Fail(ErrorCode::kNotFound, "{} is empty", path.string());
    TUTTI_RETURN_IF_ERROR(Migrate(database, Migrations()));
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return database;
  });
}

Result<SQLite::Database> OpenFresh(const fs::path& path) {
  return Guarded(fmt::format("cannot make {}", path.string()), [&]() -> Result<SQLite::Database> {
    SQLite::Database database = OpenAlone(path);
    TUTTI_RETURN_IF_ERROR(MakeDurable(database));
    TUTTI_RETURN_IF_ERROR(Migrate(database, Migrations()));
    return database;
  });
}

Result<void> EmptyFolder(FileSystem& files, const fs::path& folder) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(folder));
  for (const FileInfo& entry : entries) TUTTI_RETURN_IF_ERROR(files.RemoveAll(folder / entry.name));
  return files.SyncDirectory(folder);
}

bool IsEmpty(const FileSystem& files, const fs::path& path) {
  const auto info = files.Stat(path);
  return info && info->size_bytes == 0;
}

// Copies the generation in a folder and opens the copy.
using OpenGeneration = std::function<Result<SQLite::Database>(const fs::path& from)>;

// Copies into `folder`, which is empty again where that fails.
OpenGeneration OpenIn(FileSystem& files, const fs::path& folder) {
  return [&files, folder](const fs::path& from) -> Result<SQLite::Database> {
    const auto copied = CopyGeneration(files, from, folder);
    auto database = copied ? OpenCopy(folder / kDatabaseName) : tl::unexpected<Error>(copied.error());
    if (!database) TUTTI_RETURN_IF_ERROR(EmptyFolder(files, folder));
    return database;
  };
}

// A copy of the newest of `generations` that is whole. What was wrong with newer ones is added to `warnings`.
// kNotFound: none was ever begun. kCorrupt: none is whole.
Result<SQLite::Database> OpenNewest(const FileSystem& files, const fs::path& catalog,
                                    const std::vector<Generation>& generations, const OpenGeneration& open,
                                    std::vector<std::string>& warnings) {
  std::vector<std::string> empty;  // damaged, if one before them was begun: a copy appears under its name whole
  for (auto generation = generations.rbegin(); generation != generations.rend(); ++generation) {
    const fs::path from = GenerationFolder(catalog, *generation);
    auto database = open(from);
    const bool damaged = !database && database.error().code == ErrorCode::kCorrupt;
    if (database || damaged) std::ranges::move(std::exchange(empty, {}), std::back_inserter(warnings));
    if (database || (!damaged && database.error().code != ErrorCode::kNotFound)) return database;
    std::string warning = fmt::format("generation {} of the catalog is damaged and was passed over: {}",
                                      generation->value, database.error().Text());
    if (damaged) {
      warnings.push_back(std::move(warning));
    } else if (IsEmpty(files, from / kDatabaseName)) {
      empty.push_back(std::move(warning));
    }
  }
  if (warnings.empty()) return Fail(ErrorCode::kNotFound, "{} holds no catalog yet", catalog.string());
  return Fail(ErrorCode::kCorrupt,
              "no generation of the catalog in {} is whole ({}): make a new one from the folders with `tutti fsck "
              "--rebuild`",
              catalog.string(), warnings.front());
}

// Looked at before a generation is begun, so that an older program does not drive out a newer coordinator. The log may
// know better; the copy is checked again.
Result<void> RefuseNewer(const FileSystem& files, const fs::path& catalog, const std::vector<Generation>& generations) {
  for (auto generation = generations.rbegin(); generation != generations.rend(); ++generation) {
    const auto bytes = files.ReadRange(GenerationFolder(catalog, *generation) / kDatabaseName, kUserVersionOffset, 4);
    if (!bytes || bytes->size() < 4) continue;
    uint32_t version = 0;
    for (const char byte : *bytes) version = (version << 8) | static_cast<unsigned char>(byte);
    if (version > static_cast<uint32_t>(KnownVersion()) && version < 1'000'000) {  // beyond: not a header at all
      return FailTooNew(static_cast<int>(version), KnownVersion());
    }
    return {};
  }
  return {};
}

Result<void> MakeCatalogFolder(FileSystem& files, const fs::path& home) {
  const bool new_home = !files.Exists(home);
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(home / "catalog"));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(home));
  const fs::path parent = home.parent_path();
  if (new_home) return files.SyncDirectory(parent.empty() ? fs::path(".") : parent);
  return {};
}

// All records into a database that is closed again.
Result<void> WriteWhole(const fs::path& path, const Records& records, const std::map<std::string, int>& numbers) {
  return Guarded(fmt::format("cannot write {}", path.string()), [&]() -> Result<void> {
    SQLite::Database database = OpenAlone(path);
    database.exec("PRAGMA synchronous = FULL");
    TUTTI_RETURN_IF_ERROR(Migrate(database, Migrations()));
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    Statements statements(database);
    const auto store_all = [&](const auto& typed) {
      for (const auto& record : typed) Store(statements, record);
    };
    store_all(records.ensembles);
    store_all(records.jobs);
    store_all(records.attempts);
    store_all(records.epochs);
    store_all(records.checkpoints);
    store_all(records.predictions);
    store_all(records.drains);
    for (const auto& [name, highest] : numbers) RaiseHighestNumber(database, name, highest);
    transaction.commit();
    return {};
  });
}

constexpr std::string_view kCopyPrefix = "tutti-catalog-";
// Copies last seconds: what is older was left by a process that was killed while it copied.
constexpr auto kLongestCopy = std::chrono::hours(1);

void RemoveLeftovers(const fs::path& parent) {
  std::error_code ignored;
  const auto now = fs::file_time_type::clock::now();
  for (auto entry = fs::directory_iterator(parent, ignored); entry != fs::directory_iterator();
       entry.increment(ignored)) {
    if (!entry->path().filename().string().starts_with(kCopyPrefix)) continue;
    const auto written = entry->last_write_time(ignored);
    if (!ignored && now - written > kLongestCopy) fs::remove_all(entry->path(), ignored);
  }
}

// A folder for a copy that is only read, gone with this object.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> Make() {
    std::error_code error;
    const fs::path parent = fs::temp_directory_path(error);
    if (error) return FailErrno(error.value(), "there is no folder for temporary files: set TMPDIR to one");
    RemoveLeftovers(parent);
    std::string name = (parent / fmt::format("{}XXXXXX", kCopyPrefix)).string();
    if (::mkdtemp(name.data()) == nullptr) return FailErrno(errno, fmt::format("cannot create folder {}", name));
    return TemporaryFolder(name);
  }
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, fs::path())) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder() { Remove(); }
  void Remove() const {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

// For reading alone: the copy loses its name as soon as it is open, so that who is killed while reading leaves nothing.
OpenGeneration OpenWithoutName(FileSystem& files) {
  return [&files](const fs::path& from) -> Result<SQLite::Database> {
    TUTTI_ASSIGN_OR_RETURN(const TemporaryFolder folder, TemporaryFolder::Make());
    TUTTI_RETURN_IF_ERROR(CopyGeneration(files, from, folder.path()));
    return OpenCopy(folder.path() / kDatabaseName, [&folder] { folder.Remove(); });
  };
}

// The numbers that the newest readable of `generations` knows to have been given; none where none can be read.
std::map<std::string, int> NumbersGiven(FileSystem& files, const fs::path& catalog,
                                        const std::vector<Generation>& generations) {
  std::vector<std::string> ignored;
  auto database = OpenNewest(files, catalog, generations, OpenWithoutName(files), ignored);
  if (!database) return {};
  const auto load = [&]() -> Result<std::map<std::string, int>> { return LoadHighestNumbers(*database); };
  return Guarded("cannot read the catalog", load).value_or(std::map<std::string, int>());
}

// The generations before `mine`.
Result<std::vector<Generation>> ListOlder(const FileSystem& files, const fs::path& catalog, Generation mine) {
  TUTTI_ASSIGN_OR_RETURN(std::vector<Generation> generations, ListGenerations(files, catalog));
  std::erase_if(generations, [&](Generation other) { return other >= mine; });
  return generations;
}

// Fills the folder of a generation that was just claimed from those before it.
Result<SQLite::Database> Begin(FileSystem& files, const fs::path& catalog, Generation mine,
                               std::vector<std::string>& warnings) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<Generation> older, ListOlder(files, catalog, mine));
  const fs::path folder = GenerationFolder(catalog, mine);
  auto database = OpenNewest(files, catalog, older, OpenIn(files, folder), warnings);
  if (!database && database.error().code == ErrorCode::kNotFound) database = OpenFresh(folder / kDatabaseName);
  if (database) TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder));
  return database;
}

// Fills it with `records`.
Result<SQLite::Database> BeginWith(FileSystem& files, const fs::path& catalog, Generation mine,
                                   const Records& records) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<Generation> older, ListOlder(files, catalog, mine));
  const fs::path folder = GenerationFolder(catalog, mine);
  const fs::path built = folder / (std::string(kDatabaseName) + ".new");
  TUTTI_RETURN_IF_ERROR(WriteWhole(built, records, NumbersGiven(files, catalog, older)));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder));
  TUTTI_RETURN_IF_ERROR(files.Rename(built, folder / kDatabaseName));
  TUTTI_RETURN_IF_ERROR(files.SyncDirectory(folder));
  return OpenCopy(folder / kDatabaseName);
}

// What a start that failed must not leave behind: on a full disk its copy would keep the disk full.
tl::unexpected<Error> Abandon(FileSystem& files, const fs::path& catalog, Generation mine, Error error) {
  static_cast<void>(RemoveGeneration(files, catalog, mine));
  return tl::unexpected(std::move(error));
}

void Apply(Statements& statements, const Change& change) {
  if (const auto* record = std::get_if<Record>(&change)) return Store(statements, *record);
  if (const auto* key = std::get_if<SubmissionKey>(&change)) return Store(statements, *key);
  Erase(statements, std::get<Erasure>(change));
}

}  // namespace

struct Catalog::State {
  FileSystem& files;
  fs::path catalog;
  Generation generation;
  SQLite::Database database;
  std::vector<std::string> warnings;
  bool failed = false;
  std::unique_ptr<Statements> statements = {};  // of the first commit on

  Result<void> RefuseIfSuperseded(const Catalog& owner) const {
    TUTTI_ASSIGN_OR_RETURN(const bool newest, owner.IsNewest());
    if (newest) return {};
    return Fail(ErrorCode::kConflict, "another coordinator took over {}: generation {} is no longer the newest",
                catalog.parent_path().string(), generation.value);
  }
};

Catalog::Catalog(std::unique_ptr<State> state) : state_(std::move(state)) {}
Catalog::Catalog(Catalog&&) noexcept = default;
Catalog& Catalog::operator=(Catalog&&) noexcept = default;
Catalog::~Catalog() = default;

Result<Catalog> Catalog::Open(FileSystem& files, const fs::path& home) {
  const fs::path catalog = home / "catalog";
  TUTTI_RETURN_IF_ERROR(MakeCatalogFolder(files, home));
  TUTTI_ASSIGN_OR_RETURN(const std::vector<Generation> generations, ListGenerations(files, catalog));
  TUTTI_RETURN_IF_ERROR(RefuseNewer(files, catalog, generations));
  TUTTI_ASSIGN_OR_RETURN(const Generation mine, ClaimGeneration(files, catalog));
  std::vector<std::string> warnings;
  auto database = Begin(files, catalog, mine, warnings);
  if (!database) return Abandon(files, catalog, mine, std::move(database.error()));
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  RemoveOldGenerations(files, catalog, kGenerationsKept);
  return Catalog(std::make_unique<State>(
      State{files, catalog, mine, std::move(*database), std::move(warnings), /*failed=*/false}));
}

Result<Catalog> Catalog::Replace(FileSystem& files, const fs::path& home, const Records& records) {
  const fs::path catalog = home / "catalog";
  TUTTI_RETURN_IF_ERROR(MakeCatalogFolder(files, home));
  TUTTI_ASSIGN_OR_RETURN(const Generation mine, ClaimGeneration(files, catalog));
  auto database = BeginWith(files, catalog, mine, records);
  if (!database) return Abandon(files, catalog, mine, std::move(database.error()));
  return Catalog(std::make_unique<State>(State{files, catalog, mine, std::move(*database), {}, /*failed=*/false}));
}

Result<Records> Catalog::ReadNewest(FileSystem& files, const fs::path& home, std::vector<std::string>* warnings) {
  const fs::path catalog = home / "catalog";
  auto generations = ListGenerations(files, catalog);
  if (!generations && generations.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kNotFound, "{} holds no catalog: nothing was run there yet", home.string());
  }
  if (!generations) return tl::unexpected(std::move(generations.error()));
  std::vector<std::string> passed_over;
  TUTTI_ASSIGN_OR_RETURN(SQLite::Database database,
                         OpenNewest(files, catalog, *generations, OpenWithoutName(files), passed_over));
  if (warnings != nullptr) *warnings = std::move(passed_over);
  return Guarded("cannot read the catalog", [&] { return LoadAll(database); });
}

Generation Catalog::generation() const { return state_->generation; }
const std::vector<std::string>& Catalog::warnings() const { return state_->warnings; }

Result<Records> Catalog::Load() const {
  return Guarded("cannot read the catalog", [&] { return LoadAll(state_->database); });
}

Result<void> Catalog::Commit(std::span<const Change> changes) {
  if (state_->failed) {
    return Fail(ErrorCode::kInternal, "an earlier commit to the catalog failed: this coordinator must end");
  }
  state_->failed = true;  // until all of it went well
  TUTTI_RETURN_IF_ERROR(state_->RefuseIfSuperseded(*this));
  TUTTI_RETURN_IF_ERROR(Guarded("cannot commit to the catalog", [&]() -> Result<void> {
    if (!state_->statements) state_->statements = std::make_unique<Statements>(state_->database);
    SQLite::Transaction transaction(state_->database, SQLite::TransactionBehavior::IMMEDIATE);
    for (const Change& change : changes) Apply(*state_->statements, change);
    transaction.commit();
    return {};
  }));
  TUTTI_RETURN_IF_ERROR(state_->RefuseIfSuperseded(*this));
  state_->failed = false;
  return {};
}

Result<bool> Catalog::IsNewest() const {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<Generation> generations, ListGenerations(state_->files, state_->catalog));
  return !generations.empty() && generations.back() == state_->generation;
}

Result<int> Catalog::HighestNumber(std::string_view name) const {
  return Guarded("cannot read the catalog", [&]() -> Result<int> { return LoadHighestNumber(state_->database, name); });
}

Result<std::map<std::string, int>> Catalog::HighestNumbers() const {
  return Guarded("cannot read the catalog",
                 [&]() -> Result<std::map<std::string, int>> { return LoadHighestNumbers(state_->database); });
}

Result<std::optional<EnsembleId>> Catalog::FindSubmission(std::string_view key) const {
  return Guarded("cannot read the catalog",
                 [&]() -> Result<std::optional<EnsembleId>> { return LoadSubmission(state_->database, key); });
}

}  // namespace tutti::storage
