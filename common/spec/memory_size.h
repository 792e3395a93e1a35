// Amounts of memory as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tutti::spec {

// "6 GB", "512 MiB": a number above 0, a blank, and B, kB, MB, GB, TB or KiB, MiB, GiB, TiB; whole bytes from 1 to
// 2^53.
std::optional<uint64_t> ParseMemory(std::string_view text);
// Exact: ParseMemory reads it back.
std::string MemoryText(uint64_t bytes);
// "39.56 GB", never more than there is.
std::string RoundedMemoryText(uint64_t bytes);

}  // namespace tutti::spec
