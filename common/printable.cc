#include "common/printable.h"

#include <fmt/format.h>

namespace tutti {
namespace {

// The control character that begins at `offset`, if one does: U+0000 to U+001F and U+007F, which are one byte, or
// U+0080 to U+009F, which are two.
struct Control {
  unsigned code = 0;
  size_t bytes = 0;
};

Control ControlAt(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  const unsigned first = byte(offset);
  if (first < 0x20 || first == 0x7F) return {first, 1};
  if (first != 0xC2 || offset + 1 == text.size()) return {};
  const unsigned second = byte(offset + 1);
  return second >= 0x80 && second <= 0x9F ? Control{second, 2} : Control{};
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const char first = text[offset];
    const Control control = first == '\n' || first == '\t' ? Control{} : ControlAt(text, offset);
    if (control.bytes == 0) {
      printable += first;
      ++offset;
    } else {
      printable += fmt::format("\\u{:04x}", control.code);
      offset += control.bytes;
    }
  }
  return printable;
}

}  // namespace tutti
