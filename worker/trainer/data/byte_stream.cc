#include "worker/trainer/data/byte_stream.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace tutti::trainer {
namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr int kGzipWindow = 16 + MAX_WBITS;  // zlib's way to say gzip alone
// Deflate cannot pack better than this (https://zlib.net/zlib_tech.html), so a header that promises more lies.
constexpr uint64_t kHighestRatio = 1032;

struct EndInflate {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};

uInt AsManyAsFit(size_t size) { return static_cast<uInt>(std::min<size_t>(size, std::numeric_limits<uInt>::max())); }

}  // namespace

struct ByteStream::State {
  std::string_view left;
  std::string name;
  std::unique_ptr<z_stream, EndInflate> zlib;
  bool finished = false;  // the last gzip member has ended

  size_t ReadPlain(std::span<std::byte> target) {
    const size_t count = std::min(target.size(), left.size());
    if (count > 0) std::memcpy(target.data(), left.data(), count);
    left.remove_prefix(count);
    return count;
  }

  Result<size_t> ReadCompressed(std::span<std::byte> target) {
    size_t filled = 0;
    while (filled < target.size() && !finished) {
      TUTTI_ASSIGN_OR_RETURN(const size_t count, Inflate(target.subspan(filled)));
      filled += count;
    }
    return filled;
  }

  Result<size_t> Inflate(std::span<std::byte> target) {
    zlib->next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(left.data()));  // zlib never writes there
    zlib->avail_in = AsManyAsFit(left.size());
    zlib->next_out = reinterpret_cast<Bytef*>(target.data());
    zlib->avail_out = AsManyAsFit(target.size());
    const uInt input = zlib->avail_in, output = zlib->avail_out;
    const int status = inflate(zlib.get(), Z_NO_FLUSH);
    left.remove_prefix(input - zlib->avail_in);
    const size_t count = output - zlib->avail_out;
    if (status == Z_STREAM_END) return EndMember(count);
    if (status == Z_OK && (count > 0 || !left.empty())) return count;
    if (status == Z_OK || status == Z_BUF_ERROR) {
      return Fail(ErrorCode::kInvalid, "{} is cut off: its gzip data ends too early; fetch the file again", name);
    }
    return Fail(ErrorCode::kInvalid, "{} is damaged: gzip says '{}'; fetch the file again", name,
                zlib->msg != nullptr ? zlib->msg : zError(status));
  }

  // A gzip file may be several, one after the other.
  Result<size_t> EndMember(size_t count) {
    if (!left.starts_with(kGzipMagic)) {
      finished = true;
      if (!left.empty()) {
        return Fail(ErrorCode::kInvalid, "{} has {} bytes after its gzip data; fetch the file again", name,
                    left.size());
      }
    } else if (inflateReset(zlib.get()) != Z_OK) {
      return Fail(ErrorCode::kInternal, "zlib cannot be reset");
    }
    return count;
  }
};

ByteStream::ByteStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteStream::ByteStream(ByteStream&&) noexcept = default;
ByteStream& ByteStream::operator=(ByteStream&&) noexcept = default;
ByteStream::~ByteStream() = default;

Result<ByteStream> ByteStream::Open(std::string_view bytes, std::string name) {
  auto state = std::make_unique<State>();
  state->left = bytes;
  state->name = std::move(name);
  if (bytes.starts_with(kGzipMagic)) {
    state->zlib.reset(new z_stream{});
    if (inflateInit2(state->zlib.get(), kGzipWindow) != Z_OK) {
      return Fail(ErrorCode::kInternal, "zlib cannot start to unpack {}", state->name);
    }
  }
  return ByteStream(std::move(state));
}

Result<size_t> ByteStream::Read(std::span<std::byte> target) {
  if (state_->zlib == nullptr) return state_->ReadPlain(target);
  return state_->ReadCompressed(target);
}

uint64_t ByteStream::AtMostLeft() const {
  const uint64_t left = state_->left.size();
  // What zlib has taken in already and not given out yet is below a window of 32 KiB and a few hundred bytes.
  return state_->zlib == nullptr ? left : left * kHighestRatio + (1u << 16);
}

}  // namespace tutti::trainer
