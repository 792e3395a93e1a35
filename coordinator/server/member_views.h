// The parts of the API's documents that are about members. Pure.
#pragma once

#include <optional>

#include "common/ids.h"
#include "common/json.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "coordinator/server/views.h"

namespace tutti::server {

// The resolved experiment of a record. One that cannot be read shows as far as the records go.
std::optional<spec::EnsembleSpec> SpecOf(const EnsembleRecord& ensemble);

// [{"name", "state", ...}], in the experiment's order.
Json MembersView(const Records& records, const EnsembleRecord& ensemble, const Live& live);
// The same, where the experiment was read already; nothing: it cannot be.
Json MembersView(const Records& records, const EnsembleRecord& ensemble, const std::optional<spec::EnsembleSpec>& spec,
                 const Live& live);
// One of them. Errors: kNotFound.
Result<Json> MemberView(const Records& records, const EnsembleRecord& ensemble, const JobId& id, const Live& live);
// {"epochs": [{"epoch", "train_loss", "learning_rate", ...}]}: those that count still. Errors: kNotFound.
Result<Json> MemberMetricsView(const Records& records, const JobId& id);

}  // namespace tutti::server
