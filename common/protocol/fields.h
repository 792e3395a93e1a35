// JSON of plain structs, each described once as a list of (key, member): writing and strict reading follow from it.
// Of use within this module only.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/json.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/nearest.h"

namespace tutti::protocol {

template <typename Class, typename Member>
struct Field {
  const char* key;
  Member Class::*member;
};
template <typename Class, typename Member>
Field(const char*, Member Class::*) -> Field<Class, Member>;

// A field that the first format of a file did not have: what was written before reads as `absent`.
template <typename Class, typename Member, typename Absent>
struct LaterField {
  const char* key;
  Member Class::*member;
  Absent absent;
};
template <typename Class, typename Member, typename Absent>
LaterField(const char*, Member Class::*, Absent) -> LaterField<Class, Member, Absent>;

// Specialised for each struct: its fields as a tuple of Field and LaterField.
template <typename T>
inline constexpr std::nullptr_t kFields = nullptr;
template <typename T>
concept Described = !std::is_same_v<decltype(kFields<T>), const std::nullptr_t>;

// Specialised for each alternative of a variant: the word that names it.
template <typename T>
inline constexpr const char* kWord = nullptr;

template <typename T>
struct Wire;  // Write(const T&) -> Json; Read(const Json&) -> Result<T>, whose error begins with what it should be

template <typename T>
Json WriteValue(const T& value) {
  return Wire<T>::Write(value);
}
template <typename T>
Result<T> ReadValue(const Json& json) {
  return Wire<T>::Read(json);
}

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

inline tl::unexpected<Error> Expected(std::string_view what) { return Fail(ErrorCode::kInvalid, "must be {}", what); }

// JSON has no NaN and no infinity: they travel as strings. A null, which other writers make of them, reads as NaN.
template <>
struct Wire<double> {
  static Json Write(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    return value;
  }
  static Result<double> Read(const Json& json) {
    if (json.is_number()) return json.get<double>();
    if (json.is_null() || json == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (json == "inf") return std::numeric_limits<double>::infinity();
    if (json == "-inf") return -std::numeric_limits<double>::infinity();
    return Expected("a number");
  }
};

template <std::integral T>
requires(!std::same_as<T, bool>) struct Wire<T> {
  static Json Write(T value) { return value; }
  static Result<T> Read(const Json& json) {
    if (json.is_number_unsigned() && std::in_range<T>(json.get<uint64_t>()))
      return static_cast<T>(json.get<uint64_t>());
    if (json.is_number_integer() && !json.is_number_unsigned() && std::in_range<T>(json.get<int64_t>())) {
      return static_cast<T>(json.get<int64_t>());
    }
    return Expected("a whole number in range");
  }
};

template <>
struct Wire<bool> {
  static Json Write(bool value) { return value; }
  static Result<bool> Read(const Json& json) {
    if (!json.is_boolean()) return Expected("true or false");
    return json.get<bool>();
  }
};

template <>
struct Wire<std::string> {
  static Json Write(const std::string& value) { return value; }
  static Result<std::string> Read(const Json& json) {
    if (!json.is_string()) return Expected("a string");
    return json.get<std::string>();
  }
};

template <>
struct Wire<std::filesystem::path> {
  static Json Write(const std::filesystem::path& value) { return value.string(); }
  static Result<std::filesystem::path> Read(const Json& json) {
    TUTTI_ASSIGN_OR_RETURN(std::string text, ReadValue<std::string>(json));
    return std::filesystem::path(std::move(text));
  }
};

// What it means is known to others: any object goes.
template <>
struct Wire<Json> {
  static Json Write(const Json& value) { return value; }
  static Result<Json> Read(const Json& json) {
    if (!json.is_object()) return Expected("an object");
    return json;
  }
};

template <typename T>
struct Wire<std::optional<T>> {
  static Json Write(const std::optional<T>& value) { return value ? WriteValue(*value) : Json(nullptr); }
  static Result<std::optional<T>> Read(const Json& json) {
    if (json.is_null()) return std::optional<T>();
    TUTTI_ASSIGN_OR_RETURN(T value, ReadValue<T>(json));
    return std::optional<T>(std::move(value));
  }
};

template <typename T>
struct Wire<std::vector<T>> {
  static Json Write(const std::vector<T>& values) {
    Json json = Json::array();
    for (const T& value : values) json.push_back(WriteValue(value));
    return json;
  }
  static Result<std::vector<T>> Read(const Json& json) {
    if (!json.is_array()) return Expected("a list");
    std::vector<T> values;
    values.reserve(json.size());
    for (const Json& element : json) {
      TUTTI_ASSIGN_OR_RETURN(T value, ReadValue<T>(element));
      values.push_back(std::move(value));
    }
    return values;
  }
};

template <typename Tag>
struct Wire<StringId<Tag>> {
  static Json Write(const StringId<Tag>& id) { return id.str(); }
  static Result<StringId<Tag>> Read(const Json& json) {
    TUTTI_ASSIGN_OR_RETURN(std::string text, ReadValue<std::string>(json));
    return StringId<Tag>(std::move(text));
  }
};

template <typename Tag>
struct Wire<NumberId<Tag>> {
  static Json Write(NumberId<Tag> id) { return id.value; }
  static Result<NumberId<Tag>> Read(const Json& json) {
    TUTTI_ASSIGN_OR_RETURN(const int64_t value, ReadValue<int64_t>(json));
    return NumberId<Tag>{value};
  }
};

template <>
struct Wire<AttemptId> {
  static Json Write(const AttemptId& id) { return id.str(); }
  static Result<AttemptId> Read(const Json& json) {
    TUTTI_ASSIGN_OR_RETURN(const std::string text, ReadValue<std::string>(json));
    return ParseAttemptId(text);
  }
};

template <typename Enum>
requires std::is_enum_v<Enum>
struct Wire<Enum> {
  static Json Write(Enum value) { return std::string(Name(value)); }
  static Result<Enum> Read(const Json& json) {
    TUTTI_ASSIGN_OR_RETURN(const std::string text, ReadValue<std::string>(json));
    return ParseName<Enum>(text);
  }
};

template <>
struct Wire<spec::DataSpec> {
  static Json Write(const spec::DataSpec& data) { return spec::ToJson(data); }
  static Result<spec::DataSpec> Read(const Json& json) { return spec::DataFromJson(json); }
};

template <>
struct Wire<spec::MemberSpec> {
  static Json Write(const spec::MemberSpec& member) { return spec::ToJson(member); }
  static Result<spec::MemberSpec> Read(const Json& json) { return spec::MemberFromJson(json); }
};

// Appends the fields of `value` to the object `json`.
template <Described T>
void WriteFields(Json& json, const T& value) {
  std::apply([&](const auto&... field) { ((json[field.key] = WriteValue(value.*field.member)), ...); }, kFields<T>);
}

template <typename Class, typename Member>
Result<void> ReadField(const Json& json, const Field<Class, Member>& field, Class& value) {
  const auto found = json.find(field.key);
  if (found == json.end()) {
    if constexpr (kIsOptional<Member>) {
      value.*field.member = std::nullopt;
      return {};
    } else {
      return Fail(ErrorCode::kInvalid, "the key '{}' is missing", field.key);
    }
  }
  auto read = ReadValue<Member>(*found);
  if (!read) return Fail(ErrorCode::kInvalid, "'{}': {}", field.key, read.error().Text());
  value.*field.member = std::move(*read);
  return {};
}

template <typename Class, typename Member, typename Absent>
Result<void> ReadField(const Json& json, const LaterField<Class, Member, Absent>& field, Class& value) {
  if (json.contains(field.key)) return ReadField(json, Field{field.key, field.member}, value);
  value.*field.member = field.absent;
  return {};
}

// Keys that the struct does not have are left alone: a newer peer may say more.
template <Described T>
Result<T> ReadFields(const Json& json) {
  if (!json.is_object()) return Expected("an object");
  T value;
  Result<void> outcome;
  std::apply([&](const auto&... field) { ((outcome = outcome ? ReadField(json, field, value) : outcome), ...); },
             kFields<T>);
  if (!outcome) return tl::unexpected(std::move(outcome.error()));
  return value;
}

// For what a person may have written: kInvalid, naming the first key that is neither a field of T nor one of `others`.
template <Described T>
Result<void> RefuseUnknownKeys(const Json& json, std::vector<std::string> others) {
  std::vector<std::string> known = std::move(others);
  std::apply([&](const auto&... field) { (known.emplace_back(field.key), ...); }, kFields<T>);
  for (const auto& item : json.items()) {
    if (std::ranges::find(known, item.key()) != known.end()) continue;
    return Fail(ErrorCode::kInvalid, "the key '{}' is unknown{}", item.key(), spec::Suggestion(item.key(), known));
  }
  return {};
}

template <Described T>
struct Wire<T> {
  static Json Write(const T& value) {
    Json json = Json::object();
    WriteFields(json, value);
    return json;
  }
  static Result<T> Read(const Json& json) { return ReadFields<T>(json); }
};

// A variant as an object: the word under `tag`, beside it the fields of the alternative.
template <typename... Ts>
void WriteTagged(Json& json, const char* tag, const std::variant<Ts...>& value) {
  std::visit(
      [&]<typename T>(const T& alternative) {
        json[tag] = kWord<T>;
        WriteFields(json, alternative);
      },
      value);
}

template <typename Variant, typename T>
bool ReadIfNamed(const std::string& word, const Json& json, std::optional<Result<Variant>>& read) {
  if (word != kWord<T>) return false;
  if (auto value = ReadFields<T>(json)) {
    read = Variant(std::move(*value));
  } else {
    read = Fail(ErrorCode::kInvalid, "'{}': {}", word, value.error().message);
  }
  return true;
}

template <typename Variant>
struct Tagged;
template <typename... Ts>
struct Tagged<std::variant<Ts...>> {
  static Result<std::variant<Ts...>> Read(const Json& json, const char* tag) {
    using Variant = std::variant<Ts...>;
    if (!json.is_object()) return Expected("an object");
    const auto found = json.find(tag);
    if (found == json.end()) return Fail(ErrorCode::kInvalid, "the key '{}' is missing", tag);
    if (!found->is_string()) return Fail(ErrorCode::kInvalid, "'{}' must be a string", tag);
    const auto word = found->template get<std::string>();
    std::optional<Result<Variant>> read;
    if ((ReadIfNamed<Variant, Ts>(word, json, read) || ...)) return std::move(*read);
    return Fail(ErrorCode::kInvalid, "'{}': unknown kind '{}'", tag, word);
  }
};

}  // namespace tutti::protocol
