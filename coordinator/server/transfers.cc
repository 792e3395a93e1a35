#include "coordinator/server/transfers.h"

#include <exception>
#include <utility>

#include "coordinator/server/routes/route.h"

namespace tutti::server {
namespace {

constexpr int kWrongRange = 416;
constexpr int kUnprocessable = 422;

}  // namespace

HttpResponse ReceivedResponse(const Result<Received>& received) {
  if (received) return JsonResponse({{"bytes", received->bytes}, {"complete", received->complete}});
  const Error& error = received.error();
  if (error.code == ErrorCode::kConflict) return ProblemResponse(error, kWrongRange);
  if (error.code == ErrorCode::kCorrupt) return ProblemResponse(error, kUnprocessable);
  return ProblemResponse(error);
}

void Transfers::Run(const std::string& thing, const Respond& respond, std::function<HttpResponse()> make) {
  if (!busy_->insert(thing).second) {
    return respond(ProblemResponse(
        Error{ErrorCode::kUnreachable, fmt::format("{} is busy with another piece: ask again", thing), nullptr}));
  }
  disk_([busy = busy_, events = events_, thing, respond, make = std::move(make)] {
    HttpResponse answer;
    try {
      answer = make();
    } catch (const std::exception& error) {
      answer = BrokenDown(error);
    }
    // Given free before it is answered: whoever was answered may come with the next.
    events([busy, thing, respond, answer = std::move(answer)]() mutable {
      busy->erase(thing);
      respond(std::move(answer));
    });
  });
}

}  // namespace tutti::server
