// Options that are whole numbers.
#pragma once

#include <CLI/App.hpp>

namespace tutti::cli {

// Digits alone, from `least` to `most`; else it says what was given.
CLI::Validator WholeNumber(int least, int most);

}  // namespace tutti::cli
