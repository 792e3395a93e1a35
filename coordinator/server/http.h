// A request and its answer, free of any library's types.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace tutti::server {

enum class Method { kGet, kPost, kPut, kDelete, kOther };

// A reader sees how ensembles do; an operator changes what runs, which means running code as the coordinator's user.
enum class Role { kReader, kOperator };

struct HttpRequest {
  Method method = Method::kGet;
  Role role = Role::kOperator;
  std::string path;                   // "/api/v1/ensembles", as sent
  std::vector<std::string> segments;  // of the path: "api", "v1", "ensembles"
  std::map<std::string, std::string> query;
  std::string range = {};            // the header Range: "bytes=0-499"
  std::string last_event_id = {};    // the header Last-Event-ID, of a watcher that comes again
  std::string idempotency_key = {};  // the header Idempotency-Key
  std::string body;
};

// The rest of an answer that is made while it is sent: it goes on until there is no more, or the peer is gone. Used on
// the server's thread.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // Calls `ready` once with what comes next; an empty piece is the end. Not asked again before. Where nothing comes for
  // long, a piece that means nothing shows whether the peer is still there.
  virtual void Next(std::function<void(std::string)> ready) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones: {"Accept-Ranges", "bytes"}
  std::shared_ptr<BodyStream> stream = {};                        // in place of the body
};

// Called once, from any thread. Dropped without a call, the connection is closed.
using Respond = std::function<void(HttpResponse)>;
using HttpHandler = std::function<void(HttpRequest, Respond)>;

// Takes "/a/b?x=1&y" apart. The query is percent-decoded; the path is not: no id or name of the API needs it.
HttpRequest ParseTarget(Method method, std::string_view target);

HttpResponse EventStreamResponse(std::shared_ptr<BodyStream> stream);  // text/event-stream
HttpResponse JsonResponse(const Json& document, int status = 200);
HttpResponse ProblemResponse(const Error& error);
HttpResponse ProblemResponse(const Error& error, int status);  // where HTTP knows better than our codes

}  // namespace tutti::server
