#include "common/network/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

namespace tutti::network {
namespace {

// Containers' and virtual machines': the same addresses on many machines, which lead nowhere from outside.
bool IsBridge(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kPrefixes = {"docker", "virbr", "br-", "veth", "cni"};
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string TextOf(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = nullptr;
  if (address.sa_family == AF_INET) {
    raw = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  } else if (address.sa_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (!IN6_IS_ADDR_LINKLOCAL(&six)) raw = &six;
  }
  if (raw == nullptr) return "";
  return ::inet_ntop(address.sa_family, raw, text.data(), text.size()) == nullptr ? "" : text.data();
}

}  // namespace

std::vector<std::string> OwnAddresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, ::freeifaddrs);
  std::vector<std::pair<int, std::string>> found;  // the lower the likelier
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    std::string text = TextOf(*one->ifa_addr);
    if (text.empty()) continue;
    found.emplace_back((one->ifa_addr->sa_family == AF_INET ? 0 : 2) + (IsBridge(one->ifa_name) ? 1 : 0), text);
  }
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::string> addresses;
  for (auto& [rank, text] : found) addresses.push_back(std::move(text));
  return addresses;
}

}  // namespace tutti::network
