#include "cli/whole_number_option.h"

#include <fmt/format.h>

#include <string>

#include "common/whole_number.h"

namespace tutti::cli {

CLI::Validator WholeNumber(int least, int most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    const int number = ParseWholeNumber<int>(text).value_or(-1);
    if (number >= least && number <= most) return "";
    return fmt::format("'{}' is no whole number from {} to {}", text, least, most);
  };
  return CLI::Validator(check, "");
}

}  // namespace tutti::cli
