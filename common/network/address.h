// Where a coordinator listens, as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tutti::network {

struct Address {
  std::string host;  // a name, or an IP address without brackets
  uint16_t port = 0;
  bool tls = true;

  // "https://login1:7350", "http://127.0.0.1:7350", "[::1]:7350"; without a scheme TLS is meant. kInvalid says
  // what is allowed.
  static Result<Address> Parse(std::string_view text);
  std::string Text() const;       // with the scheme: Parse(Text()) is the same address
  std::string Authority() const;  // without it
  // Whether what listens there is heard on this machine alone.
  bool IsLoopback() const;

  bool operator==(const Address&) const = default;
};

}  // namespace tutti::network
