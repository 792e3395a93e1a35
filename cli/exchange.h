// Requests to a coordinator and its answers, as HTTP knows them.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>
#include <string_view>

#include "common/network/peer.h"
#include "common/result.h"

namespace tutti::cli {

using Request = boost::beast::http::request<boost::beast::http::string_body>;

// With the token that the peer asks for; the connection ends with its answer.
Request RequestFor(const network::Peer& peer, const std::string& method, const std::string& target, std::string body);

// An answer of application/problem+json as the error that it tells.
Error ProblemIn(unsigned status, std::string_view body);

// As part of a URL: all but unreserved characters as %XX.
std::string EncodeUrlPart(std::string_view text);
std::string EnsembleTarget(const std::string& id);
std::string MemberTarget(const std::string& id, const std::string& member);

}  // namespace tutti::cli
