// One request over a connection to a coordinator, and its answer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <string>

#include "common/clock.h"
#include "common/network/peer.h"
#include "common/network/stream.h"
#include "common/result.h"

namespace tutti::network {

using HttpRequest = boost::beast::http::request<boost::beast::http::string_body>;
using HttpAnswer = boost::beast::http::response<boost::beast::http::string_body>;

// With the host and the token that the peer asks for; further fields may follow.
HttpRequest RequestTo(const Peer& peer, const std::string& method, const std::string& target, std::string body = "");

struct ExchangeLimits {
  Duration head;   // from the request to the first of its answer
  Duration whole;  // for the rest
  uint64_t longest_answer = 0;
};

// Sends the request and reads the answer. Errors: kTimeout; kUnreachable, the peer went: with what may say why.
boost::asio::awaitable<Result<HttpAnswer>> Talk(Stream& stream, const HttpRequest& request, const Peer& peer,
                                                ExchangeLimits limits);

}  // namespace tutti::network
