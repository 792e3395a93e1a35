#include "common/network/stream.h"

#include <openssl/ssl.h>

namespace tutti::network {

void Stream::Protect(TlsContext context) {
  context_ = std::move(context);
  if (context_) secure_ = std::make_unique<Secure>(*plain_, *context_);
}

void Stream::EndSending() {
  boost::system::error_code ignored;
  plain_->socket().shutdown(Socket::shutdown_send, ignored);
}

void Stream::ExpectPeer(const std::string& host) {
  if (secure_) SSL_set_tlsext_host_name(secure_->native_handle(), host.c_str());
}

}  // namespace tutti::network
