// UTF-8, byte by byte.
#pragma once

namespace tutti {

// Whether it goes on with a character that another byte began.
inline bool IsContinuationByte(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace tutti
