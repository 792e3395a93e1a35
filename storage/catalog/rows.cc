#include "storage/catalog/rows.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/json.h"
#include "common/whole_number.h"

namespace tutti::storage {
namespace {

// ---- writing: each value knows how it becomes a parameter ----

class Binder {
 public:
  explicit Binder(SQLite::Statement& statement) : statement_(statement) {}

  template <typename... Values>
  void operator()(const Values&... values) {
    (Bind(values), ...);
  }

 private:
  void Bind(const std::string& text) { statement_.bind(++index_, text); }
  void Bind(std::string_view text) { statement_.bind(++index_, std::string(text)); }
  void Bind(int number) { statement_.bind(++index_, number); }
  void Bind(int64_t number) { statement_.bind(++index_, number); }
  void Bind(bool truth) { statement_.bind(++index_, truth ? 1 : 0); }
  void Bind(double number) {
    if (std::isnan(number)) {
      statement_.bind(++index_, "nan");
    } else {
      statement_.bind(++index_, number);
    }
  }
  void Bind(TimePoint time) { Bind(static_cast<int64_t>(time.time_since_epoch().count())); }
  void Bind(const AttemptId& id) {
    Bind(id.job.ensemble.str());
    Bind(id.job.name);
    Bind(id.number);
  }
  template <typename T>
  void Bind(const std::optional<T>& value) {
    if (value) {
      Bind(*value);
    } else {
      statement_.bind(++index_);
    }
  }

  SQLite::Statement& statement_;
  int index_ = 0;
};

template <typename... Values>
void Execute(Statements& statements, const std::string& sql, const Values&... values) {
  SQLite::Statement& statement = statements.Get(sql);
  Binder binder(statement);
  binder(values...);
  statement.exec();
  statement.reset();
}

template <typename... Values>
void Execute(SQLite::Database& database, const std::string& sql, const Values&... values) {
  SQLite::Statement statement(database, sql);
  Binder binder(statement);
  binder(values...);
  statement.exec();
}

std::string Insert(std::string_view table, int columns) {
  std::string marks = "?";
  for (int i = 1; i < columns; ++i) marks += ", ?";
  return fmt::format("INSERT OR REPLACE INTO {} VALUES ({})", table, marks);
}

std::string GangText(const std::vector<SlotId>& gang) {
  Json json = Json::array();
  for (const SlotId& slot : gang) json.push_back(Json{{"worker", slot.worker.str()}, {"slot", slot.index}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string NamesText(const std::vector<std::string>& names) {
  return Json(names).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Put(SQLite::Database& database, const EnsembleRecord& r) {
  Execute(database, Insert("ensembles", 11), r.id.str(), Name(r.state), r.spec, r.spec_hash, r.data_hash, r.split_drawn,
          r.combined, r.submitted_at, r.ended_at, r.note, r.priority);
  if (const auto numbered = SplitId(r.id.str())) {
    RaiseHighestNumber(database, numbered->name, numbered->number);
  }
}

void Put(Statements& statements, const JobRecord& r) {
  static const std::string kSql = Insert("jobs", 12);
  Execute(statements, kSql, r.id.ensemble.str(), r.id.name, r.position, Name(r.kind), Name(r.state), r.minimum_slots,
          r.maximum_slots, NamesText(r.after), r.attempts, r.failures, r.not_before, r.reason);
}

void Put(Statements& statements, const AttemptRecord& r) {
  static const std::string kSql = Insert("attempts", 13);
  Execute(statements, kSql, r.id, Name(r.state), GangText(r.gang), r.leader_incarnation.value, r.granted_at,
          r.started_at, r.ended_at, r.resumed_from_step, r.acknowledged, r.exit_code, r.error);
}

void Put(Statements& statements, const EpochRecord& r) {
  static const std::string kSql = Insert("epochs", 11);
  Execute(statements, kSql, r.attempt, r.epoch, r.step, r.train_loss, r.validation_loss, r.validation_accuracy,
          r.learning_rate, r.images_per_second, r.train_seconds);
}

void Put(Statements& statements, const CheckpointRecord& r) {
  static const std::string kSql = Insert("checkpoints", 10);
  Execute(statements, kSql, r.attempt, r.step, Name(r.state), r.epoch, r.folder, r.manifest_hash,
          static_cast<int64_t>(r.size_bytes), r.validation_loss);
}

void Put(Statements& statements, const PredictionRecord& r) {
  static const std::string kSql = Insert("predictions", 9);
  Execute(statements, kSql, r.attempt, r.predictor, Name(r.split), r.file, r.samples, r.step, r.hash);
}

void Put(SQLite::Database& database, const DrainRecord& r) {
  Execute(database, Insert("drains", 3), r.worker.str(), r.since, r.checkpoint);
}

void Drop(SQLite::Database& database, const WorkerId& worker) {
  Execute(database, "DELETE FROM drains WHERE worker = ?", worker.str());
}

void Drop(SQLite::Database& database, const EnsembleId& id) {
  for (const std::string_view table : {"jobs", "attempts", "epochs", "checkpoints", "predictions", "submissions"}) {
    Execute(database, fmt::format("DELETE FROM {} WHERE ensemble = ?", table), id.str());
  }
  Execute(database, "DELETE FROM ensembles WHERE id = ?", id.str());
}

void Drop(SQLite::Database& database, const CheckpointKey& key) {
  Execute(database, "DELETE FROM checkpoints WHERE ensemble = ? AND job = ? AND number = ? AND step = ?", key.attempt,
          key.step);
}

// ---- reading: columns in the order of the table, each asked for as what it is ----

class RowReader {
 public:
  explicit RowReader(SQLite::Statement& statement) : statement_(statement) {}

  template <typename... Targets>
  Result<void> operator()(Targets&... targets) {
    (Take(targets), ...);
    if (error_) return tl::unexpected(std::move(*error_));
    return {};
  }

 private:
  SQLite::Column Next() { return statement_.getColumn(index_++); }

  void Take(std::string& text) { text = Next().getString(); }
  void Take(int& number) { number = Next().getInt(); }
  void Take(int64_t& number) { number = Next().getInt64(); }
  void Take(uint64_t& number) { number = static_cast<uint64_t>(Next().getInt64()); }
  void Take(bool& truth) { truth = Next().getInt() != 0; }
  void Take(double& number) {
    const SQLite::Column column = Next();
    number = column.isText() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
  }
  void Take(TimePoint& time) { time = TimePoint(Duration(Next().getInt64())); }
  void Take(EnsembleId& id) { id = EnsembleId(Next().getString()); }
  void Take(WorkerId& id) { id = WorkerId(Next().getString()); }
  void Take(Incarnation& incarnation) { Take(incarnation.value); }
  void Take(JobId& id) {
    Take(id.ensemble);
    Take(id.name);
  }
  void Take(AttemptId& id) {
    Take(id.job);
    Take(id.number);
  }
  template <typename T>
  void Take(std::optional<T>& value) {
    if (statement_.getColumn(index_).isNull()) {
      value.reset();
      ++index_;
    } else {
      Take(value.emplace());
    }
  }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void Take(Enum& value) {
    auto parsed = ParseName<Enum>(Next().getString());
    if (parsed) {
      value = *parsed;
    } else {
      Note(parsed.error());
    }
  }
  void Take(std::vector<std::string>& names) {
    TakeJson([&](const Json& json) { names = json.get<std::vector<std::string>>(); });
  }
  void Take(std::vector<SlotId>& gang) {
    TakeJson([&](const Json& json) {
      for (const Json& slot : json) {
        gang.push_back({WorkerId(slot.at("worker").get<std::string>()), slot.at("slot").get<int>()});
      }
    });
  }
  template <typename Use>
  void TakeJson(Use use) {
    auto json = ParseJson(Next().getString());
    if (!json) return Note(json.error());
    try {
      use(*json);
    } catch (const Json::exception& exception) {
      Note(Error{ErrorCode::kInvalid, exception.what(), nullptr});
    }
  }

  void Note(Error error) {
    if (!error_) {
      error_ = Error{ErrorCode::kCorrupt, error.Text(), nullptr};
    }
  }

  SQLite::Statement& statement_;
  int index_ = 0;
  std::optional<Error> error_;
};

Result<void> Read(RowReader read, EnsembleRecord& r) {
  return read(r.id, r.state, r.spec, r.spec_hash, r.data_hash, r.split_drawn, r.combined, r.submitted_at, r.ended_at,
              r.note, r.priority);
}
Result<void> Read(RowReader read, DrainRecord& r) { return read(r.worker, r.since, r.checkpoint); }
Result<void> Read(RowReader read, JobRecord& r) {
  return read(r.id, r.position, r.kind, r.state, r.minimum_slots, r.maximum_slots, r.after, r.attempts, r.failures,
              r.not_before, r.reason);
}
Result<void> Read(RowReader read, AttemptRecord& r) {
  return read(r.id, r.state, r.gang, r.leader_incarnation, r.granted_at, r.started_at, r.ended_at, r.resumed_from_step,
              r.acknowledged, r.exit_code, r.error);
}
Result<void> Read(RowReader read, EpochRecord& r) {
  return read(r.attempt, r.epoch, r.step, r.train_loss, r.validation_loss, r.validation_accuracy, r.learning_rate,
              r.images_per_second, r.train_seconds);
}
Result<void> Read(RowReader read, CheckpointRecord& r) {
  return read(r.attempt, r.step, r.state, r.epoch, r.folder, r.manifest_hash, r.size_bytes, r.validation_loss);
}
Result<void> Read(RowReader read, PredictionRecord& r) {
  return read(r.attempt, r.predictor, r.split, r.file, r.samples, r.step, r.hash);
}

// The first columns, as many as `key` names: "fashion-mnist-3/lenet5-s0/1".
std::string KeyText(SQLite::Statement& row, std::string_view key) {
  const auto columns = static_cast<int>(std::count(key.begin(), key.end(), ',')) + 1;
  std::string text;
  for (int i = 0; i < columns; ++i) text += (i == 0 ? "" : "/") + row.getColumn(i).getString();
  return text;
}

// In the order of the primary key, which is that of the first columns.
template <typename RecordType>
Result<std::vector<RecordType>> LoadTable(SQLite::Database& database, const std::string& table, std::string_view key) {
  std::vector<RecordType> rows;
  SQLite::Statement statement(database, fmt::format("SELECT * FROM {} ORDER BY {}", table, key));
  while (statement.executeStep()) {
    RecordType row;
    auto read = Read(RowReader(statement), row);
    if (!read) {
      return FailBecause(std::move(read.error()),
                         "the catalog's table {} holds a row {} that cannot be: make a new catalog from the folders "
                         "with `tutti fsck --rebuild`",
                         table, KeyText(statement, key));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

void Store(Statements& statements, const Record& record) {
  std::visit([&](const auto& typed) { Put(statements, typed); }, record);
}

void Store(SQLite::Database& database, const SubmissionKey& key) {
  Execute(database, Insert("submissions", 2), key.key, key.ensemble.str());
}

void Erase(SQLite::Database& database, const Erasure& erasure) {
  std::visit([&](const auto& key) { Drop(database, key); }, erasure);
}

Result<Records> LoadAll(SQLite::Database& database) {
  Records all;
  TUTTI_ASSIGN_OR_RETURN(all.ensembles, LoadTable<EnsembleRecord>(database, "ensembles", "1"));
  TUTTI_ASSIGN_OR_RETURN(all.jobs, LoadTable<JobRecord>(database, "jobs", "1, 2"));
  TUTTI_ASSIGN_OR_RETURN(all.attempts, LoadTable<AttemptRecord>(database, "attempts", "1, 2, 3"));
  TUTTI_ASSIGN_OR_RETURN(all.epochs, LoadTable<EpochRecord>(database, "epochs", "1, 2, 3, 4"));
  TUTTI_ASSIGN_OR_RETURN(all.checkpoints, LoadTable<CheckpointRecord>(database, "checkpoints", "1, 2, 3, 4"));
  TUTTI_ASSIGN_OR_RETURN(all.predictions, LoadTable<PredictionRecord>(database, "predictions", "1, 2, 3, 4, 5"));
  TUTTI_ASSIGN_OR_RETURN(all.drains, LoadTable<DrainRecord>(database, "drains", "1"));
  return all;
}

int LoadHighestNumber(SQLite::Database& database, std::string_view name) {
  SQLite::Statement statement(database, "SELECT highest FROM numbers WHERE name = ?");
  statement.bind(1, std::string(name));
  return statement.executeStep() ? statement.getColumn(0).getInt() : 0;
}

std::optional<EnsembleId> LoadSubmission(SQLite::Database& database, std::string_view key) {
  SQLite::Statement statement(database, "SELECT ensemble FROM submissions WHERE key = ?");
  statement.bind(1, std::string(key));
  if (!statement.executeStep()) return std::nullopt;
  return EnsembleId(statement.getColumn(0).getString());
}

std::map<std::string, int> LoadHighestNumbers(SQLite::Database& database) {
  std::map<std::string, int> numbers;
  SQLite::Statement statement(database, "SELECT name, highest FROM numbers");
  while (statement.executeStep()) numbers[statement.getColumn(0).getString()] = statement.getColumn(1).getInt();
  return numbers;
}

void RaiseHighestNumber(SQLite::Database& database, const std::string& name, int number) {
  Execute(database,
          "INSERT INTO numbers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET highest = max(highest, excluded.highest)",
          name, number);
}

}  // namespace tutti::storage
