// Files that experiments name, on their way to the home.
#include "coordinator/server/file_store.h"
#include "coordinator/server/routes/routes.h"
#include "coordinator/server/transfers.h"

namespace tutti::server {
namespace {

constexpr size_t kHashSegment = 3;  // /api/v1/files/HASH
constexpr int kTooLarge = 413;

Result<std::string> HashIn(const HttpRequest& request) {
  const std::string& hash = request.segments[kHashSegment];
  if (spec::IsFileHash(hash)) return hash;
  return Fail(ErrorCode::kInvalid, "'{}' is no SHA-256 of 64 hexadecimal digits", hash);
}

std::string KeyOf(const std::string& hash) { return "the file " + hash; }

Result<void> ShowFile(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const std::string hash, HashIn(request));
  context.transfers->Run(KeyOf(hash), respond, [files = context.files, home = context.home, hash] {
    return ReceivedResponse(FindFile(*files, home, hash));
  });
  return {};
}

Result<void> TakeFile(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  TUTTI_ASSIGN_OR_RETURN(const std::string hash, HashIn(request));
  TUTTI_ASSIGN_OR_RETURN(const int64_t offset, NumberOf(request, "offset", 0));
  // One request may be all of it.
  const int64_t whole = static_cast<int64_t>(request.body.size());
  TUTTI_ASSIGN_OR_RETURN(const int64_t bytes, NumberOf(request, "bytes", whole));
  if (static_cast<uint64_t>(bytes) > spec::kLargestExperimentFile) {
    respond(ProblemResponse(
        Error{ErrorCode::kInvalid,
              fmt::format("a file that an experiment names may have {} bytes at most", spec::kLargestExperimentFile),
              nullptr},
        kTooLarge));
    return {};
  }
  context.transfers->Run(
      KeyOf(hash), respond, [files = context.files, home = context.home, hash, bytes, offset, piece = request.body] {
        return ReceivedResponse(
            ReceiveFile(*files, home, hash, static_cast<uint64_t>(bytes), static_cast<uint64_t>(offset), piece));
      });
  return {};
}

constexpr Route kRoutes[] = {
    {Method::kGet, "/api/v1/files/HASH", Role::kOperator, ShowFile},
    {Method::kPut, "/api/v1/files/HASH", Role::kOperator, TakeFile},
};

}  // namespace

std::span<const Route> FileRoutes() { return kRoutes; }

}  // namespace tutti::server
