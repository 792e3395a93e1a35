// Files of an attempt, for the worker that leads it where that does not see the home.
#include "coordinator/server/transfers.h"

#include "common/whole_number.h"
#include "coordinator/server/artifacts.h"
#include "coordinator/server/inputs.h"
#include "coordinator/server/routes/routes.h"
#include "coordinator/server/uploads.h"

namespace tutti::server {
namespace {

constexpr size_t kAttemptSegment = 7;  // /api/v1/ensembles/ID/members/NAME/attempts/N

Result<std::string> TextOf(const HttpRequest& request, const std::string& key) {
  const auto found = request.query.find(key);
  if (found != request.query.end() && !found->second.empty()) return found->second;
  return Fail(ErrorCode::kInvalid, "{}= is missing", key);
}

// The attempt that the path names, for who leads it: what an old worker, or a stale attempt, sends is not taken. One
// that is found costs no look at the records: pieces come by the thousand.
Result<AttemptId> FindLed(const RouteContext& context, const HttpRequest& request) {
  const auto number = ParseWholeNumber<int>(request.segments[kAttemptSegment]);
  if (!number) return Fail(ErrorCode::kInvalid, "'{}' is no attempt's number", request.segments[kAttemptSegment]);
  TUTTI_ASSIGN_OR_RETURN(const std::string worker, TextOf(request, "worker"));
  TUTTI_RETURN_IF_ERROR(TextOf(request, "incarnation"));
  TUTTI_ASSIGN_OR_RETURN(const int64_t incarnation, NumberOf(request, "incarnation", 0));
  const AttemptId attempt{{EnsembleId(request.segments[kEnsembleSegment]), request.segments[kMemberSegment]}, *number};
  if (context.executor.core().IsLedBy(attempt, WorkerId(worker), Incarnation{incarnation})) return attempt;
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(context, request));
  if (*number > job.attempts) return Fail(ErrorCode::kNotFound, "{} has no attempt {}", job.id.str(), *number);
  return Fail(ErrorCode::kConflict, "{} is not, or no longer, led by this start of the worker {}", attempt.str(),
              worker);
}

std::filesystem::path FolderOf(const RouteContext& context, const AttemptId& attempt) {
  return context.home / attempt.job.ensemble.str();
}

Result<void> ListInputs(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const AttemptId attempt, FindLed(context, request));
  context.transfers->Run(attempt.str(), respond, [files = context.files, folder = FolderOf(context, attempt), attempt] {
    const auto inputs = InputsOf(*files, folder, attempt).and_then([&](std::vector<Input> known) {
      return WithHashes(*files, folder, std::move(known));
    });
    return inputs ? JsonResponse(ToJson(*inputs)) : ProblemResponse(inputs.error());
  });
  return {};
}

Result<void> DownloadInput(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const AttemptId attempt, FindLed(context, request));
  TUTTI_ASSIGN_OR_RETURN(const std::string file, TextOf(request, "file"));
  context.transfers->Run(
      attempt.str(), respond,
      [files = context.files, folder = FolderOf(context, attempt), attempt, file, range = request.range] {
        const auto inputs = InputsOf(*files, folder, attempt);
        if (!inputs) return ProblemResponse(inputs.error());
        for (const Input& input : *inputs) {
          if (input.file == file) return Download(*files, folder / input.file, range);
        }
        return ProblemResponse(
            Error{ErrorCode::kNotFound, fmt::format("{} needs no '{}'", attempt.str(), file), nullptr});
      });
  return {};
}

struct Asked {
  std::filesystem::path folder;
  Upload upload;
};

Result<Asked> FindAsked(const RouteContext& context, const HttpRequest& request) {
  Asked asked;
  TUTTI_ASSIGN_OR_RETURN(asked.upload.attempt, FindLed(context, request));
  TUTTI_ASSIGN_OR_RETURN(asked.upload.file, TextOf(request, "file"));
  TUTTI_RETURN_IF_ERROR(TextOf(request, "bytes"));
  TUTTI_ASSIGN_OR_RETURN(const int64_t bytes, NumberOf(request, "bytes", 0));
  asked.upload.bytes = static_cast<uint64_t>(bytes);
  if (const auto hash = request.query.find("hash"); hash != request.query.end()) asked.upload.hash = hash->second;
  TUTTI_RETURN_IF_ERROR(CheckUpload(asked.upload));
  asked.folder = FolderOf(context, asked.upload.attempt);
  return asked;
}

Result<void> ShowUpload(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Asked asked, FindAsked(context, request));
  context.transfers->Run(asked.upload.attempt.str(), respond, [files = context.files, asked] {
    return ReceivedResponse(FindReceived(*files, asked.folder, asked.upload));
  });
  return {};
}

Result<void> TakeUpload(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  TUTTI_ASSIGN_OR_RETURN(const Asked asked, FindAsked(context, request));
  TUTTI_RETURN_IF_ERROR(TextOf(request, "offset"));
  TUTTI_ASSIGN_OR_RETURN(const int64_t offset, NumberOf(request, "offset", 0));
  context.transfers->Run(
      asked.upload.attempt.str(), respond, [files = context.files, asked, offset, piece = request.body] {
        return ReceivedResponse(Receive(*files, asked.folder, asked.upload, static_cast<uint64_t>(offset), piece));
      });
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/attempts/N/inputs", Role::kOperator, ListInputs},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/attempts/N/inputs/content", Role::kOperator, DownloadInput},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/attempts/N/uploads", Role::kOperator, ShowUpload},
    {Method::kPost, "/api/v1/ensembles/ID/members/NAME/attempts/N/uploads", Role::kOperator, TakeUpload},
};

}  // namespace

std::span<const Route> TransferRoutes() { return kRoutes; }

}  // namespace tutti::server
