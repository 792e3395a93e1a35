#include "cli/exchange.h"

#include <boost/beast/http/verb.hpp>
#include <cctype>

#include "common/json.h"

namespace tutti::cli {
namespace {

ErrorCode CodeNamed(std::string_view word) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    if (Name(static_cast<ErrorCode>(code)) == word) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

}  // namespace

Request RequestFor(const network::Peer& peer, const std::string& method,
                                            const std::string& target, std::string body) {
  Request request(boost::beast::http::string_to_verb(method), target, 11);
  request.set(boost::beast::http::field::host, network::AuthorityOf(peer));
  if (const std::string token = network::TokenOf(peer); !token.empty()) {
    request.set(boost::beast::http::field::authorization, "Bearer " + token);
  }
  request.set(boost::beast::http::field::connection, "close");
  if (!body.empty()) request.set(boost::beast::http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

Error ProblemIn(unsigned status, std::string_view body) {
  const auto problem = ParseJson(body);
  if (problem && problem->is_object() && problem->contains("title") && (*problem)["title"].is_string()) {
    const auto code = problem->find("code");
    return Error{
        code != problem->end() && code->is_string() ? CodeNamed(code->get<std::string>()) : ErrorCode::kInternal,
        (*problem)["title"].get<std::string>(), nullptr};
  }
  return Error{ErrorCode::kInternal, fmt::format("the coordinator answered {}", status), nullptr};
}

std::string EncodeUrlPart(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += unreserved ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

std::string EnsembleTarget(const std::string& id) { return "/api/v1/ensembles/" + EncodeUrlPart(id); }

std::string MemberTarget(const std::string& id, const std::string& member) {
  return EnsembleTarget(id) + "/members/" + EncodeUrlPart(member);
}

}  // namespace tutti::cli
