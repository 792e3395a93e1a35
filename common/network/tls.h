// Who a coordinator is, and how its peers know: a certificate, the site's own or one made at the first start, and its
// fingerprint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/network/stream.h"
#include "common/result.h"

namespace tutti::network {

struct Identity {
  std::filesystem::path certificate;  // PEM: the chain, the own one first
  std::filesystem::path key;          // PEM, readable by its user alone
};

// Where they do not exist: a key on P-256 and a certificate for `names` that signs itself, for ten years.
// kDenied when others may read the key; kNoSpace, kIo; kInternal when OpenSSL cannot.
Result<void> MakeIdentity(const Identity& identity, const std::vector<std::string>& names);

// SHA-256 of the first certificate in the file, 64 hexadecimal digits. kNotFound, kInvalid.
Result<std::string> FingerprintOf(const std::filesystem::path& certificate);

// TLS 1.2 or later. kNotFound, kDenied, kInvalid: the two files do not belong together.
Result<TlsContext> ServerContext(const Identity& identity);

// For a peer that must show the certificate of this fingerprint; without one, a certificate for `host` that the
// machine's authorities vouch for. kInvalid: no fingerprint.
Result<TlsContext> ClientContext(const std::optional<std::string>& fingerprint, const std::string& host);

}  // namespace tutti::network
