// Text from elsewhere (a file, another program, the name of a file), as it may be shown on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace tutti {

// UTF-8 text whose control characters are written out ("\u001b"), as JSON and YAML do within quotes. Line breaks and
// tabs stay.
std::string Printable(std::string_view text);

}  // namespace tutti
