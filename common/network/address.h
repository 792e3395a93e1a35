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

  // "host:port", "1.2.3.4:7350", "[::1]:7350". kInvalid says what is allowed.
  static Result<Address> Parse(std::string_view text);
  std::string Text() const;  // Parse(Text()) is the same address
  // Whether what listens there is heard on this machine alone.
  bool IsLoopback() const;

  bool operator==(const Address&) const = default;
};

}  // namespace tutti::network
