// What a reader of the API may see of a text.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/server/http.h"

namespace tutti::server {

// The text of a JSON document without the absolute paths that its strings name: "cannot read /data/x: no such file" is
// "cannot read (path): no such file". Pure.
std::string WithoutPaths(std::string_view json, std::string_view home);

// Lets only that through, where the answer is a JSON document or a stream of events: the sentences of errors and
// reasons name paths.
Respond ForReaders(Respond respond, std::string home);

}  // namespace tutti::server
