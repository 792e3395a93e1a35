// How other machines may reach this one.
#pragma once

#include <string>
#include <vector>

namespace tutti::network {

// The addresses of this machine's interfaces that are up, but for loopback and those that are valid on one link alone:
// IPv4 first, those of virtual bridges last of each. Empty where they cannot be read.
std::vector<std::string> OwnAddresses();

}  // namespace tutti::network
