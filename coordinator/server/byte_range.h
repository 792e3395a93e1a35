// The header Range of a request (RFC 9110, section 14). Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace tutti::server {

struct WholeFile {};    // nothing is asked for, or nothing that we know: several ranges, other units
struct NoSuchRange {};  // beyond the end
struct ByteRange {
  uint64_t first = 0;
  uint64_t last = 0;  // included, within the file
  bool operator==(const ByteRange&) const = default;
};
using AskedRange = std::variant<WholeFile, NoSuchRange, ByteRange>;

// "bytes=0-499", "bytes=500-", "bytes=-500" (the last 500) of a file of `size` bytes.
AskedRange ParseRange(std::string_view header, uint64_t size);

}  // namespace tutti::server
