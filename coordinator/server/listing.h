// Which ensembles GET /api/v1/ensembles shows. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "coordinator/server/http.h"

namespace tutti::server {

inline constexpr int64_t kLongestPage = 1000;

struct ListingQuery {
  // Where a page ended. Ids of one moment are told apart by themselves.
  struct Place {
    TimePoint submitted_at;
    EnsembleId id;
    auto operator<=>(const Place&) const = default;
  };
  std::optional<EnsembleState> state;
  std::optional<std::string> name;  // of the experiment
  std::optional<size_t> limit;      // all without
  std::optional<Place> after;       // only older ones
};

// Of the query's state, name, limit and after. Errors: kInvalid.
Result<ListingQuery> ParseListing(const HttpRequest& request);

struct Listing {
  std::vector<EnsembleRecord> ensembles;  // newest first
  std::optional<std::string> next;        // what to ask for with `after`, when there are more
};
Listing SelectEnsembles(const std::vector<EnsembleRecord>& all, const ListingQuery& query);

}  // namespace tutti::server
