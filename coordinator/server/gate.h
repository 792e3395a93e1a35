// Who may come in over TCP, and as what. On the home's Unix socket the file's mode says it.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/network/address.h"
#include "coordinator/server/http.h"

namespace tutti::server {

struct Tokens {
  std::string for_operator;
  std::string for_reader;
};

class Gate {
 public:
  // `listening` is where the socket was bound.
  Gate(Tokens tokens, network::Address listening) : tokens_(std::move(tokens)), listening_(std::move(listening)) {}

  // What a request's header says of where it comes from; empty: nothing.
  struct Papers {
    std::string_view authorization;
    std::string_view host;
    std::string_view origin;
  };
  // The answer to one who may not come in: 401 without the right token, 403 for a web page's request.
  tl::expected<Role, HttpResponse> Admit(const Papers& papers) const;

 private:
  bool IsOwnName(std::string_view host) const;

  const Tokens tokens_;
  const network::Address listening_;
};

}  // namespace tutti::server
