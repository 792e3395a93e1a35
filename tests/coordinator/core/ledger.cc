#include "tests/coordinator/core/ledger.h"

namespace tutti::core {
namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

template <typename Table>
auto RowsOf(const Table& table) {
  std::vector<typename Table::mapped_type> rows;
  for (const auto& [key, row] : table) rows.push_back(row);
  return rows;
}

}  // namespace

void Ledger::Commit(std::span<const Effect> effects) {
  for (const Effect& effect : effects) {
    if (const auto* persist = std::get_if<Persist>(&effect)) Put(persist->record);
    if (const auto* erase = std::get_if<core::Erase>(&effect)) Erase(erase->key);
  }
}

void Ledger::Put(const Record& record) {
  std::visit(Overloaded{
                 [&](const EnsembleRecord& row) { ensembles_[row.id] = row; },
                 [&](const JobRecord& row) { jobs_[row.id] = row; },
                 [&](const AttemptRecord& row) { attempts_[row.id] = row; },
                 [&](const EpochRecord& row) {
                   epochs_[{row.attempt, row.epoch}] = row;
                 },
                 [&](const CheckpointRecord& row) {
                   checkpoints_[{row.attempt, row.step}] = row;
                 },
                 [&](const PredictionRecord& row) {
                   predictions_[{row.attempt, row.predictor, row.split}] = row;
                 },
                 [&](const DrainRecord& row) { drains_[row.worker] = row; },
             },
             record);
}

void Ledger::Erase(const Erasure& key) {
  if (const auto* checkpoint = std::get_if<CheckpointKey>(&key)) {
    checkpoints_.erase(*checkpoint);
    return;
  }
  if (const auto* worker = std::get_if<WorkerId>(&key)) {
    drains_.erase(*worker);
    return;
  }
  const EnsembleId& id = std::get<EnsembleId>(key);
  ensembles_.erase(id);
  std::erase_if(jobs_, [&](const auto& row) { return row.first.ensemble == id; });
  std::erase_if(attempts_, [&](const auto& row) { return row.first.job.ensemble == id; });
  std::erase_if(epochs_, [&](const auto& row) { return row.first.first.job.ensemble == id; });
  std::erase_if(checkpoints_, [&](const auto& row) { return row.first.attempt.job.ensemble == id; });
  std::erase_if(predictions_, [&](const auto& row) { return std::get<0>(row.first).job.ensemble == id; });
}

Records Ledger::All() const {
  return {RowsOf(ensembles_),   RowsOf(jobs_),        RowsOf(attempts_), RowsOf(epochs_),
          RowsOf(checkpoints_), RowsOf(predictions_), RowsOf(drains_)};
}

}  // namespace tutti::core
