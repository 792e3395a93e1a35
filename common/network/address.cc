#include "common/network/address.h"

#include <charconv>

namespace tutti::network {

Result<Address> Address::Parse(std::string_view text) {
  const auto wrong = [&] {
    return Fail(ErrorCode::kInvalid, "'{}' is no address; one is written HOST:PORT, like login1:7350 or [::1]:7350",
                text);
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("[]/@ ") != std::string_view::npos) return wrong();
  if (!bracketed && host.find(':') != std::string_view::npos) return wrong();
  Address address{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return wrong();
  return address;
}

std::string Address::Text() const {
  const bool needs_brackets = host.find(':') != std::string::npos;
  return needs_brackets ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool Address::IsLoopback() const { return host == "localhost" || host == "::1" || host.starts_with("127."); }

}  // namespace tutti::network
