#include "common/network/address.h"

#include <boost/asio/ip/address.hpp>
#include <optional>

#include "common/whole_number.h"

namespace tutti::network {

namespace {

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kSecure = "https://";

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  const auto wrong = [whole = text] {
    return Fail(ErrorCode::kInvalid,
                "'{}' is no address; one is written HOST:PORT, like login1:7350, or https://HOST:PORT", whole);
  };
  std::optional<bool> tls;
  if (text.starts_with(kPlain)) tls = false;
  if (text.starts_with(kSecure)) tls = true;
  if (tls) text.remove_prefix(*tls ? kSecure.size() : kPlain.size());
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("[]/@ ") != std::string_view::npos) return wrong();
  if (!bracketed && host.find(':') != std::string_view::npos) return wrong();
  Address address{std::string(host), 0, false};
  const auto number = ParseWholeNumber<decltype(address.port)>(port);
  if (!number) return wrong();
  address.port = *number;
  address.tls = tls.value_or(true);
  return address;
}

std::string Address::Text() const { return fmt::format("{}{}", tls ? kSecure : kPlain, Authority()); }

std::string Address::Authority() const {
  const bool needs_brackets = host.find(':') != std::string::npos;
  return needs_brackets ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool Address::IsLoopback() const {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

}  // namespace tutti::network
