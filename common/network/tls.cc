#include "common/network/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "common/network/secret.h"

namespace tutti::network {
namespace {

namespace fs = std::filesystem;
namespace ssl = boost::asio::ssl;

constexpr long kValidSeconds = 10L * 365 * 24 * 3600;
constexpr long kClockSkewSeconds = 24L * 3600;  // the peers' clocks may be behind
constexpr size_t kFingerprintDigits = 64;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using File = std::unique_ptr<std::FILE, Freer<std::fclose>>;

std::string OpenSslsError() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

tl::unexpected<Error> FailToMake() {
  return Fail(ErrorCode::kInternal, "OpenSSL cannot make a certificate: {}", OpenSslsError());
}

bool AddExtension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// "DNS:login1,IP:10.0.0.7"
std::string AlternativeNames(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    boost::system::error_code error;
    boost::asio::ip::make_address(name, error);
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", error ? "DNS" : "IP", name);
  }
  return text;
}

Certificate SignItself(EVP_PKEY* key, const std::vector<std::string>& names) {
  Certificate certificate(X509_new());
  if (!certificate) return nullptr;
  X509* const raw = certificate.get();
  const std::string serial = MakeSecret().substr(0, 16);
  BIGNUM* number = nullptr;
  bool made = X509_set_version(raw, 2) == 1 && BN_hex2bn(&number, ("7" + serial.substr(1)).c_str()) > 0 &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(raw)) != nullptr;
  BN_free(number);
  made = made && X509_gmtime_adj(X509_getm_notBefore(raw), -kClockSkewSeconds) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(raw), kValidSeconds) != nullptr && X509_set_pubkey(raw, key) == 1;
  X509_NAME* const subject = X509_get_subject_name(raw);
  made = made &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>("Tutti coordinator"), -1, -1, 0) == 1 &&
         X509_set_issuer_name(raw, subject) == 1 && AddExtension(raw, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(raw, NID_subject_alt_name, AlternativeNames(names)) && X509_sign(raw, key, EVP_sha256()) > 0;
  return made ? std::move(certificate) : nullptr;
}

// Under a name of its own first, so that nobody sees half of it.
template <typename Write>
Result<void> WritePem(const fs::path& path, mode_t mode, Write write) {
  const std::string draft = path.string() + fmt::format(".{}", ::getpid());
  const int descriptor = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (descriptor < 0) return FailErrno(errno, fmt::format("cannot write {}", path.string()));
  std::FILE* const file = ::fdopen(descriptor, "w");
  TUTTI_CHECK(file != nullptr);
  const bool written = write(file) == 1 && std::fflush(file) == 0 && ::fsync(descriptor) == 0;
  const int cause = errno;
  std::fclose(file);
  if (!written) return FailErrno(cause, fmt::format("cannot write {}", path.string()));
  if (::rename(draft.c_str(), path.c_str()) != 0)
    return FailErrno(errno, fmt::format("cannot write {}", path.string()));
  return {};
}

Result<Certificate> ReadCertificate(const fs::path& path) {
  const File file(std::fopen(path.c_str(), "re"));
  if (!file) return FailErrno(errno, fmt::format("cannot read the certificate {}", path.string()));
  Certificate certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
  if (!certificate) {
    return Fail(ErrorCode::kInvalid, "{} holds no certificate in PEM: {}", path.string(), OpenSslsError());
  }
  return certificate;
}

std::string FingerprintOf(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<void> CheckKeyIsPrivate(const fs::path& key) {
  struct stat status {};
  if (::stat(key.c_str(), &status) != 0) return FailErrno(errno, fmt::format("cannot read the key {}", key.string()));
  if ((status.st_mode & 077) == 0) return {};
  return Fail(ErrorCode::kDenied, "others may open the key {0}: chmod 600 {0}, and replace it", key.string());
}

}  // namespace

Result<void> MakeIdentity(const Identity& identity, const std::vector<std::string>& names) {
  if (fs::exists(identity.certificate) && fs::exists(identity.key)) return {};
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return FailToMake();
  const Certificate certificate = SignItself(key.get(), names);
  if (!certificate) return FailToMake();
  TUTTI_RETURN_IF_ERROR(WritePem(identity.key, 0600, [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }));
  return WritePem(identity.certificate, 0644, [&](std::FILE* file) { return PEM_write_X509(file, certificate.get()); });
}

Result<std::string> FingerprintOf(const fs::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(path));
  return FingerprintOf(certificate.get());
}

Result<TlsContext> ServerContext(const Identity& identity) {
  TUTTI_RETURN_IF_ERROR(ReadCertificate(identity.certificate));
  TUTTI_RETURN_IF_ERROR(CheckKeyIsPrivate(identity.key));
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  boost::system::error_code error;
  context->use_certificate_chain_file(identity.certificate.string(), error);
  if (!error) context->use_private_key_file(identity.key.string(), ssl::context::pem, error);
  if (error) {
    return Fail(ErrorCode::kInvalid, "the certificate {} and the key {} cannot be used together: {}",
                identity.certificate.string(), identity.key.string(), error.message());
  }
  return context;
}

Result<TlsContext> ClientContext(const std::optional<std::string>& fingerprint, const std::string& host) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context->set_verify_mode(ssl::verify_peer);
  if (!fingerprint) {
    boost::system::error_code ignored;  // a machine without authorities trusts nobody
    context->set_default_verify_paths(ignored);
    context->set_verify_callback(ssl::host_name_verification(host));
    return context;
  }
  const bool hexadecimal = std::ranges::all_of(*fingerprint, [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (fingerprint->size() != kFingerprintDigits || !hexadecimal) {
    return Fail(ErrorCode::kInvalid, "'{}' is no fingerprint: {} hexadecimal digits are one", *fingerprint,
                kFingerprintDigits);
  }
  std::string wanted = *fingerprint;
  std::ranges::transform(wanted, wanted.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  // Whoever signed it, and whatever it is for: it is that very certificate, or it is not.
  context->set_verify_callback([wanted](bool, ssl::verify_context& shown) {
    if (X509_STORE_CTX_get_error_depth(shown.native_handle()) > 0) return true;
    const X509* certificate = X509_STORE_CTX_get_current_cert(shown.native_handle());
    return certificate != nullptr && FingerprintOf(certificate) == wanted;
  });
  return context;
}

}  // namespace tutti::network
