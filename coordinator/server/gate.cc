#include "coordinator/server/gate.h"

#include <algorithm>
#include <cctype>

#include "common/network/secret.h"

namespace tutti::server {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;

tl::unexpected<HttpResponse> Refuse(int status, std::string why) {
  return tl::unexpected<HttpResponse>(ProblemResponse(Error{ErrorCode::kDenied, std::move(why), nullptr}, status));
}

std::string_view TokenIn(std::string_view authorization) {
  if (authorization.size() < kScheme.size()) return "";
  const bool bearer = std::equal(kScheme.begin(), kScheme.end(), authorization.begin(), [](char want, char got) {
    return want == static_cast<char>(std::tolower(static_cast<unsigned char>(got)));
  });
  return bearer ? authorization.substr(kScheme.size()) : "";
}

std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  return host.substr(0, host.rfind(':'));
}

}  // namespace

// A page in a browser may have its own name resolve to this machine; what it then sends still bears that name.
bool Gate::IsOwnName(std::string_view host) const {
  if (!listening_.IsLoopback()) return true;  // machines have many names
  const std::string_view name = WithoutPort(host);
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]" || name == listening_.host;
}

tl::expected<Role, HttpResponse> Gate::Admit(const Papers& papers) const {
  if (!papers.origin.empty()) return Refuse(kForbidden, "web pages may not ask a coordinator");
  if (!IsOwnName(papers.host)) return Refuse(kForbidden, "this coordinator does not go by the name in Host");
  const std::string_view token = TokenIn(papers.authorization);
  if (token.empty()) {
    return Refuse(kUnauthorized, "this coordinator wants its token: --token-file or TUTTI_TOKEN names it");
  }
  if (network::SameSecret(token, tokens_.for_operator)) return Role::kOperator;
  if (network::SameSecret(token, tokens_.for_reader)) return Role::kReader;
  return Refuse(kUnauthorized, "this is not the coordinator's token");
}

}  // namespace tutti::server
