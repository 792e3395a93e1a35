#include "tests/common/spec/schema_check.h"

#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <set>

namespace tutti::spec::test {
namespace {

class Checker {
 public:
  explicit Checker(const Json& root) : root_(root) {}

  bool Fits(const Json& value, const Json& schema) { return Check(value, schema, "").empty(); }

  std::vector<std::string> Check(const Json& value, const Json& schema, const std::string& where) {
    std::vector<std::string> wrong;
    for (const auto& [keyword, wanted] : schema.items()) {
      for (std::string& sentence : CheckKeyword(keyword, wanted, value, schema, where))
        wrong.push_back(std::move(sentence));
    }
    return wrong;
  }

 private:
  using Wrong = std::vector<std::string>;

  Wrong CheckKeyword(const std::string& keyword, const Json& wanted, const Json& value, const Json& schema,
                     const std::string& where) {
    static const std::set<std::string> kNotes = {"$schema", "$defs", "title", "description", "default"};
    if (kNotes.contains(keyword)) return {};
    if (keyword == "$ref")
      return Check(value, root_.at(Json::json_pointer(wanted.get<std::string>().substr(1))), where);
    if (keyword == "properties") return CheckProperties(wanted, value, where);
    if (keyword == "additionalProperties") return CheckAdditional(value, schema, where);
    if (keyword == "required") return CheckRequired(wanted, value, where);
    if (keyword == "items") return CheckItems(wanted, value, where);
    const auto fits = FitsKeyword(keyword, wanted, value);
    return fits ? Wrong{} : Wrong{where + ": not " + keyword + " " + wanted.dump()};
  }

  bool FitsKeyword(const std::string& keyword, const Json& wanted, const Json& value) {
    const double number = value.is_number() ? value.get<double>() : 0;
    if (keyword == "type") return HasType(wanted, value);
    if (keyword == "enum") return std::find(wanted.begin(), wanted.end(), value) != wanted.end();
    if (keyword == "const") return value == wanted;
    if (keyword == "not") return !Fits(value, wanted);
    if (keyword == "anyOf")
      return std::any_of(wanted.begin(), wanted.end(), [&](const Json& s) { return Fits(value, s); });
    if (keyword == "minimum") return !value.is_number() || number >= wanted.get<double>();
    if (keyword == "maximum") return !value.is_number() || number <= wanted.get<double>();
    if (keyword == "exclusiveMinimum") return !value.is_number() || number > wanted.get<double>();
    if (keyword == "exclusiveMaximum") return !value.is_number() || number < wanted.get<double>();
    if (keyword == "minItems") return !value.is_array() || value.size() >= wanted.get<size_t>();
    if (keyword == "maxItems") return !value.is_array() || value.size() <= wanted.get<size_t>();
    if (keyword == "uniqueItems")
      return !value.is_array() || std::set<Json>(value.begin(), value.end()).size() == value.size();
    if (keyword == "minLength") return !value.is_string() || value.get<std::string>().size() >= wanted.get<size_t>();
    if (keyword == "maxLength") return !value.is_string() || value.get<std::string>().size() <= wanted.get<size_t>();
    if (keyword == "pattern") {
      return !value.is_string() || std::regex_search(value.get<std::string>(), std::regex(wanted.get<std::string>()));
    }
    return false;  // unknown
  }

  static bool HasType(const Json& wanted, const Json& value) {
    if (wanted.is_array()) {
      return std::any_of(wanted.begin(), wanted.end(), [&](const Json& one) { return HasType(one, value); });
    }
    static const std::map<std::string, std::function<bool(const Json&)>> kTypes = {
        {"object", [](const Json& v) { return v.is_object(); }},
        {"array", [](const Json& v) { return v.is_array(); }},
        {"string", [](const Json& v) { return v.is_string(); }},
        {"number", [](const Json& v) { return v.is_number(); }},
        {"null", [](const Json& v) { return v.is_null(); }},
        {"boolean", [](const Json& v) { return v.is_boolean(); }},
        {"integer", [](const Json& v) { return v.is_number_integer(); }}};
    return kTypes.at(wanted.get<std::string>())(value);
  }

  Wrong CheckProperties(const Json& properties, const Json& value, const std::string& where) {
    Wrong wrong;
    if (!value.is_object()) return wrong;
    for (const auto& [key, schema] : properties.items()) {
      if (!value.contains(key)) continue;
      for (std::string& sentence : Check(value[key], schema, where + "/" + key)) wrong.push_back(std::move(sentence));
    }
    return wrong;
  }

  static Wrong CheckAdditional(const Json& value, const Json& schema, const std::string& where) {
    Wrong wrong;
    if (!value.is_object()) return wrong;
    for (const auto& [key, unused] : value.items()) {
      if (!schema["properties"].contains(key)) wrong.push_back(where + ": unknown key " + key);
    }
    return wrong;
  }

  static Wrong CheckRequired(const Json& names, const Json& value, const std::string& where) {
    Wrong wrong;
    for (const Json& name : names) {
      if (value.is_object() && !value.contains(name.get<std::string>()))
        wrong.push_back(where + ": lacks " + name.dump());
    }
    return wrong;
  }

  Wrong CheckItems(const Json& schema, const Json& value, const std::string& where) {
    Wrong wrong;
    if (!value.is_array()) return wrong;
    for (size_t i = 0; i < value.size(); ++i) {
      for (std::string& sentence : Check(value[i], schema, where + "/" + std::to_string(i))) {
        wrong.push_back(std::move(sentence));
      }
    }
    return wrong;
  }

  const Json& root_;
};

}  // namespace

std::vector<std::string> CheckAgainstSchema(const Json& value, const Json& schema) {
  return Checker(schema).Check(value, schema, "");
}

}  // namespace tutti::spec::test
