#include "coordinator/server/listing.h"

#include <algorithm>
#include <charconv>

#include "coordinator/server/routes/route.h"

namespace tutti::server {
namespace {

using Place = ListingQuery::Place;

Place PlaceOf(const EnsembleRecord& ensemble) { return {ensemble.submitted_at, ensemble.id}; }

std::string TextOf(const Place& place) {
  return fmt::format("{}.{}", place.submitted_at.time_since_epoch().count(), place.id);
}

Result<Place> ParsePlace(const std::string& text) {
  const size_t dot = std::min(text.find('.'), text.size());
  const std::string id = text.substr(std::min(dot + 1, text.size()));
  int64_t milliseconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dot, milliseconds);
  if (error != std::errc() || end != text.data() + dot || !IsValidId(id)) {
    return Fail(ErrorCode::kInvalid, "after={} is not the 'next' of an earlier answer", text);
  }
  return Place{TimePoint(Duration(milliseconds)), EnsembleId(id)};
}

// Ids are NAME-N.
bool IsOf(const EnsembleRecord& ensemble, const std::string& name) {
  const std::string& id = ensemble.id.str();
  return id.substr(0, id.rfind('-')) == name;
}

bool Fits(const EnsembleRecord& ensemble, const ListingQuery& query) {
  return (!query.state || ensemble.state == *query.state) && (!query.name || IsOf(ensemble, *query.name)) &&
         (!query.after || PlaceOf(ensemble) < *query.after);
}

}  // namespace

Result<ListingQuery> ParseListing(const HttpRequest& request) {
  ListingQuery query;
  if (const auto state = request.query.find("state"); state != request.query.end()) {
    const auto known = ParseName<EnsembleState>(state->second);
    if (!known) return FailBecause(known.error(), "state={} is no state of an ensemble", state->second);
    query.state = *known;
  }
  if (const auto name = request.query.find("name"); name != request.query.end()) {
    if (!IsValidName(name->second)) {
      return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of an experiment", name->second);
    }
    query.name = name->second;
  }
  if (request.query.contains("limit")) {
    TUTTI_ASSIGN_OR_RETURN(const int64_t limit, NumberOf(request, "limit", 0));
    if (limit < 1 || limit > kLongestPage) {
      return Fail(ErrorCode::kInvalid, "limit={} is not within 1 to {}", limit, kLongestPage);
    }
    query.limit = static_cast<size_t>(limit);
  }
  if (const auto after = request.query.find("after"); after != request.query.end()) {
    TUTTI_ASSIGN_OR_RETURN(query.after, ParsePlace(after->second));
  }
  return query;
}

Listing SelectEnsembles(const std::vector<EnsembleRecord>& all, const ListingQuery& query) {
  std::vector<const EnsembleRecord*> fitting;
  for (const EnsembleRecord& ensemble : all) {
    if (Fits(ensemble, query)) fitting.push_back(&ensemble);
  }
  std::sort(fitting.begin(), fitting.end(), [](auto* one, auto* other) { return PlaceOf(*other) < PlaceOf(*one); });
  Listing listing;
  for (const EnsembleRecord* ensemble : fitting) {
    if (listing.ensembles.size() == query.limit) {
      listing.next = TextOf(PlaceOf(listing.ensembles.back()));
      break;
    }
    listing.ensembles.push_back(*ensemble);
  }
  return listing;
}

}  // namespace tutti::server
