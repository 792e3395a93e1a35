// A request and its answer, free of any library's types.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace tutti::server {

enum class Method { kGet, kPost, kDelete, kOther };

// A reader sees how ensembles do; an operator changes what runs, which means running code as the coordinator's user.
enum class Role { kReader, kOperator };

struct HttpRequest {
  Method method = Method::kGet;
  Role role = Role::kOperator;
  std::string path;                   // "/api/v1/ensembles", as sent
  std::vector<std::string> segments;  // of the path: "api", "v1", "ensembles"
  std::map<std::string, std::string> query;
  std::string range = {};  // the header Range: "bytes=0-499"
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones: {"Accept-Ranges", "bytes"}
};

// Called once, from any thread. Dropped without a call, the connection is closed.
using Respond = std::function<void(HttpResponse)>;
using HttpHandler = std::function<void(HttpRequest, Respond)>;

// Takes "/a/b?x=1&y" apart. The query is percent-decoded; the path is not: no id or name of the API needs it.
HttpRequest ParseTarget(Method method, std::string_view target);

HttpResponse JsonResponse(const Json& document, int status = 200);
HttpResponse ProblemResponse(const Error& error);
HttpResponse ProblemResponse(const Error& error, int status);  // where HTTP knows better than our codes

}  // namespace tutti::server
