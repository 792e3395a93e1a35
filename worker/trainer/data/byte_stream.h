// Bytes in memory, read one after the other; gzip is unpacked on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tutti::trainer {

class ByteStream {
 public:
  // `bytes` must outlive the stream; `name` is for messages. Compressed when the bytes begin as gzip does.
  static Result<ByteStream> Open(std::string_view bytes, std::string name);
  ByteStream(ByteStream&&) noexcept;
  ByteStream& operator=(ByteStream&&) noexcept;
  ~ByteStream();

  // Fills as much of `target` as there is. kInvalid: the compressed data is damaged or ends too early.
  Result<size_t> Read(std::span<std::byte> target);
  // The most bytes that this stream can still give: exact for plain bytes, a bound for compressed ones.
  uint64_t AtMostLeft() const;

 private:
  struct State;
  explicit ByteStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tutti::trainer
