#include "common/network/sha256.h"

#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <array>

namespace tutti::network {
namespace {

constexpr uint64_t kPiece = uint64_t{1} << 20;  // of memory

}  // namespace

void Sha256::Free::operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  TUTTI_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::Update(std::span<const std::byte> bytes) {
  TUTTI_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256::Digest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  TUTTI_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
}

Result<std::string> Sha256OfFile(const FileSystem& files, const std::filesystem::path& path, const TakePiece& take) {
  Sha256 hash;
  for (uint64_t offset = 0;;) {
    TUTTI_ASSIGN_OR_RETURN(const std::string piece, files.ReadRange(path, offset, kPiece));
    if (piece.empty()) return hash.Digest();
    hash.Update(std::as_bytes(std::span(piece)));
    if (take) TUTTI_RETURN_IF_ERROR(take(std::as_bytes(std::span(piece))));
    offset += piece.size();
  }
}

}  // namespace tutti::network
