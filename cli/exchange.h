// Requests to a coordinator, as HTTP knows them.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>

#include "common/network/peer.h"

namespace tutti::cli {

using Request = boost::beast::http::request<boost::beast::http::string_body>;

// With the token that the peer asks for; the connection ends with its answer.
Request RequestFor(const network::Peer& peer, const std::string& method, const std::string& target, std::string body);

std::string EnsembleTarget(const std::string& id);
std::string MemberTarget(const std::string& id, const std::string& member);

}  // namespace tutti::cli
