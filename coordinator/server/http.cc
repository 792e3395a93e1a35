#include "coordinator/server/http.h"

#include <algorithm>
#include <charconv>

#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

// Calls `use` with each part of `text` between separators.
template <typename Use>
void ForEachPart(std::string_view text, char separator, Use use) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// "a%20b+c" is "a b c". What is no escape stays as it is.
std::string Decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// Bytes of a disk or a peer need not be UTF-8: those that are not are replaced.
std::string Dump(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

HttpRequest ParseTarget(Method method, std::string_view target) {
  HttpRequest request;
  request.method = method;
  const size_t mark = std::min(target.find('?'), target.size());
  request.path = std::string(target.substr(0, mark));
  ForEachPart(target.substr(0, mark), '/', [&](std::string_view segment) { request.segments.emplace_back(segment); });
  ForEachPart(target.substr(std::min(mark + 1, target.size())), '&', [&](std::string_view pair) {
    const size_t equals = std::min(pair.find('='), pair.size());
    request.query[Decoded(pair.substr(0, equals))] = Decoded(pair.substr(std::min(equals + 1, pair.size())));
  });
  return request;
}

HttpResponse EventStreamResponse(std::shared_ptr<BodyStream> stream) {
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers = {{"Cache-Control", "no-store"}};
  response.stream = std::move(stream);
  return response;
}

HttpResponse JsonResponse(const Json& document, int status) { return {status, "application/json", Dump(document)}; }

HttpResponse ProblemResponse(const Error& error) { return ProblemResponse(error, HttpStatus(error.code)); }

HttpResponse ProblemResponse(const Error& error, int status) {
  Json problem = ProblemView(error);
  problem["status"] = status;
  return {status, "application/problem+json", Dump(problem)};
}

}  // namespace tutti::server
