#include "coordinator/server/transfers.h"

#include <exception>
#include <utility>

#include "coordinator/server/routes/route.h"

namespace tutti::server {

void Transfers::Run(const AttemptId& attempt, const Respond& respond, std::function<HttpResponse()> make) {
  if (!busy_->insert(attempt).second) {
    return respond(ProblemResponse(
        Error{ErrorCode::kUnreachable, fmt::format("a file of {} is being taken: ask again", attempt.str()), nullptr}));
  }
  disk_([busy = busy_, events = events_, attempt, respond, make = std::move(make)] {
    HttpResponse answer;
    try {
      answer = make();
    } catch (const std::exception& error) {
      answer = BrokenDown(error);
    }
    // Given free before it is answered: whoever was answered may come with the next.
    events([busy, attempt, respond, answer = std::move(answer)]() mutable {
      busy->erase(attempt);
      respond(std::move(answer));
    });
  });
}

}  // namespace tutti::server
