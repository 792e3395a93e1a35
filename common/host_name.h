// What this machine calls itself.
#pragma once

#include <string>

namespace tutti {

// "localhost" where it has no name.
std::string HostName();

}  // namespace tutti
