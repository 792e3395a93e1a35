// What a client of a coordinator's API writes into a request and reads from an answer.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace tutti::network {

// As a part of a path or of a query: all but letters, digits and -._~ percent-encoded.
std::string EncodeUrlPart(std::string_view text);

// "/api/v1/ensembles/ID", and that with "/members/NAME".
std::string EnsembleTarget(std::string_view id);
std::string MemberTarget(std::string_view id, std::string_view member);

// The error that an answer of this status tells: a document of application/problem+json, or none.
Error ProblemOf(int status, std::string_view body);

}  // namespace tutti::network
