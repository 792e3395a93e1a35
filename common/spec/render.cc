#include "common/spec/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "common/printable.h"

namespace tutti::spec {
namespace {

constexpr size_t kLongestLine = 110;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPlainCharacter(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '.' || c == '/' || c == '-'; }

// Words that some version of YAML reads as something else than text.
bool IsReserved(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return IsLetter(c) ? static_cast<char>(c | 0x20) : c; });
  constexpr std::array<std::string_view, 10> kReserved = {"null", "true", "false", "yes", "no",
                                                          "on",   "off",  "y",     "n",   "nan"};
  return std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end();
}

// True for text that every YAML reader takes for text without quotes: "lenet5", "/data/mnist", "500 steps".
bool IsPlain(std::string_view text) {
  if (text.empty() || IsReserved(text)) return false;
  const size_t space = text.find(' ');
  const std::string_view first = text.substr(0, space);
  if (!std::all_of(first.begin(), first.end(), IsPlainCharacter)) return false;
  if (space == std::string_view::npos) return IsLetter(first[0]) || first[0] == '/';
  const std::string_view second = text.substr(space + 1);
  return IsDigit(first[0]) && !second.empty() && std::all_of(second.begin(), second.end(), IsLetter);
}

// JSON's 1e-07 is text to YAML 1.1, which wants a point.
std::string NumberText(const Json& number) {
  std::string text = number.dump();
  const size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos) text.insert(exponent, ".0");
  return text;
}

std::string ScalarText(const Json& scalar) {
  if (scalar.is_number()) return NumberText(scalar);
  const bool plain = scalar.is_string() && IsPlain(scalar.get_ref<const std::string&>());
  return plain ? scalar.get<std::string>() : Printable(scalar.dump());
}

std::string FlowText(const Json& value) {
  if (!value.is_structured()) return ScalarText(value);
  std::string text;
  for (const auto& [key, item] : value.items()) {
    text += text.empty() ? "" : ", ";
    text += value.is_object() ? fmt::format("{}: {}", key, FlowText(item)) : FlowText(item);
  }
  return value.is_object() ? fmt::format("{{{}}}", text) : fmt::format("[{}]", text);
}

enum class Layout { kAuto, kBlock };

void Write(const Json& value, size_t indentation, Layout layout, std::string& out);

// After "key:" or "-": on the same line where it fits there.
void WriteValue(const Json& value, size_t indentation, Layout layout, std::string& out) {
  const std::string flow = FlowText(value);
  const bool fits = layout == Layout::kAuto && indentation + flow.size() <= kLongestLine;
  if (!value.is_structured() || value.empty() || fits) {
    out += fmt::format(" {}\n", flow);
    return;
  }
  out += '\n';
  Write(value, indentation, Layout::kAuto, out);
}

void WriteMap(const Json& map, size_t indentation, Layout layout, std::string& out) {
  for (const auto& [key, value] : map.items()) {
    out += fmt::format("{:{}}{}:", "", indentation, key);
    WriteValue(value, indentation + 2, layout, out);
  }
}

void WriteList(const Json& list, size_t indentation, std::string& out) {
  for (const Json& item : list) {
    std::string text;
    item.is_object() ? WriteMap(item, indentation + 2, Layout::kAuto, text)
                     : WriteValue(item, indentation, Layout::kAuto, text);
    // The first line of an item begins with its dash.
    out += fmt::format("{:{}}- {}", "", indentation, std::string_view(text).substr(text.find_first_not_of(' ')));
  }
}

void Write(const Json& value, size_t indentation, Layout layout, std::string& out) {
  value.is_object() ? WriteMap(value, indentation, layout, out) : WriteList(value, indentation, out);
}

}  // namespace

std::string RenderYaml(const EnsembleSpec& spec) {
  std::string text = "# The whole experiment: every default filled in, every member written out.\n";
  Write(ToJson(spec), 0, Layout::kBlock, text);
  return text;
}

}  // namespace tutti::spec
