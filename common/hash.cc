#include "common/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "common/result.h"

namespace tutti {
namespace {

std::string Hexadecimal(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

struct FreeState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

}  // namespace

struct Hasher::State {
  std::unique_ptr<XXH3_state_t, FreeState> xxh{XXH3_createState()};
};

std::string HashText(std::string_view text) { return Hexadecimal(XXH3_128bits(text.data(), text.size())); }

Hasher::Hasher() : state_(std::make_unique<State>()) {
  TUTTI_CHECK(state_->xxh != nullptr);
  XXH3_128bits_reset(state_->xxh.get());
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size());
}

std::string Hasher::Digest() const { return Hexadecimal(XXH3_128bits_digest(state_->xxh.get())); }

}  // namespace tutti
