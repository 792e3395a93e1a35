#include "cli/exchange.h"

#include <boost/beast/http/verb.hpp>

#include "common/network/http_text.h"

namespace tutti::cli {
Request RequestFor(const network::Peer& peer, const std::string& method, const std::string& target, std::string body) {
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

std::string EnsembleTarget(const std::string& id) { return "/api/v1/ensembles/" + network::EncodeUrlPart(id); }

std::string MemberTarget(const std::string& id, const std::string& member) {
  return EnsembleTarget(id) + "/members/" + network::EncodeUrlPart(member);
}

}  // namespace tutti::cli
