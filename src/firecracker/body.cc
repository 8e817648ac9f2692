#include "firecracker/body.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>

namespace knaller::firecracker {
namespace {

// Keeps the order of members: the first wrong one is the one that is named.
using Ordered = nlohmann::ordered_json;

constexpr int kMostDepth = 64;

std::string join_alternatives(const std::vector<std::string_view>& names) {
  if (names.size() == 1) return fmt::format("`{}`", names[0]);
  if (names.size() == 2) return fmt::format("`{}` or `{}`", names[0], names[1]);
  std::string all = "one of ";
  for (size_t i = 0; i < names.size(); ++i) all += fmt::format("{}`{}`", i == 0 ? "" : ", ", names[i]);
  return all;
}

std::string describe(const Ordered& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return fmt::format("boolean `{}`", value.get<bool>());
  if (value.is_number_float()) return fmt::format("floating point `{}`", value.get<double>());
  if (value.is_number_unsigned()) return fmt::format("integer `{}`", value.get<uint64_t>());
  if (value.is_number_integer()) return fmt::format("integer `{}`", value.get<int64_t>());
  if (value.is_string())
    return fmt::format("string {}", Ordered(value).dump(-1, ' ', false, Ordered::error_handler_t::replace));
  return value.is_array() ? "sequence" : "map";
}

[[noreturn]] void refuse_type(const Ordered& value, std::string_view expected) {
  refuse_body(fmt::format("invalid type: {}, expected {}", describe(value), expected));
}

struct Number {
  std::string_view name;
  uint64_t most;
};
Number number_of(Kind kind) {
  switch (kind) {
    case Kind::kU8:
      return {"u8", std::numeric_limits<uint8_t>::max()};
    case Kind::kU16:
      return {"u16", std::numeric_limits<uint16_t>::max()};
    case Kind::kU32:
      return {"u32", std::numeric_limits<uint32_t>::max()};
    default:
      return {"u64", std::numeric_limits<uint64_t>::max()};
  }
}

void check_number(const Ordered& value, Kind kind) {
  const Number number = number_of(kind);
  if (!value.is_number_integer()) refuse_type(value, number.name);
  if (!value.is_number_unsigned() || value.get<uint64_t>() > number.most)
    refuse_body(fmt::format("invalid value: {}, expected {}", describe(value), number.name));
}

void check_enum(const Ordered& value, const Field& field) {
  if (!value.is_string()) refuse_body("expected value");
  const auto text = value.get<std::string>();
  if (std::find(field.variants.begin(), field.variants.end(), text) == field.variants.end())
    refuse_body(fmt::format("unknown variant `{}`, expected {}", text, join_alternatives(field.variants)));
}

void check_mac(const Ordered& value) {
  if (!value.is_string()) refuse_type(value, "a string");
  const auto text = value.get<std::string>();
  bool good = text.size() == 17;
  for (size_t i = 0; good && i < text.size(); ++i)
    good = i % 3 == 2 ? text[i] == ':' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
  if (!good) refuse_body("The provided MAC address is invalid");
}

void check_level(const Ordered& value) {
  if (!value.is_string()) refuse_type(value, "a string");
  auto text = value.get<std::string>();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::set<std::string> known{"off", "error", "warning", "warn", "info", "debug", "trace"};
  if (!known.contains(text)) refuse_body("Invalid LevelFilter");
}

void check_object(const Ordered& value, const Schema& schema);

void check_field(const Ordered& value, const Field& field) {
  switch (field.kind) {
    case Kind::kBool:
      if (!value.is_boolean()) refuse_type(value, "a boolean");
      return;
    case Kind::kU8:
    case Kind::kU16:
    case Kind::kU32:
    case Kind::kU64:
      return check_number(value, field.kind);
    case Kind::kString:
      if (!value.is_string()) refuse_type(value, "a string");
      return;
    case Kind::kEnum:
      return check_enum(value, field);
    case Kind::kMac:
      return check_mac(value);
    case Kind::kLevel:
      return check_level(value);
    case Kind::kObject:
      return check_object(value, *field.inner);
    case Kind::kArray:
      if (!value.is_array()) refuse_type(value, "a sequence");
      for (const Ordered& element : value) check_object(element, *field.inner);
      return;
    case Kind::kAny:
      return;
  }
}

void check_object(const Ordered& value, const Schema& schema) {
  const std::string expected = fmt::format("struct {}", schema.name);
  if (value.is_array())
    refuse_body(fmt::format("invalid length {}, expected {} with {} element{}", value.size(), expected,
                            schema.fields.size(), schema.fields.size() == 1 ? "" : "s"));
  if (!value.is_object()) refuse_type(value, expected);
  for (const auto& [name, member] : value.items()) {
    const auto field = std::find_if(schema.fields.begin(), schema.fields.end(),
                                    [&name = name](const Field& each) { return each.name == name; });
    if (field == schema.fields.end()) {
      std::vector<std::string_view> names;
      for (const Field& each : schema.fields) names.push_back(each.name);
      refuse_body(fmt::format("unknown field `{}`, expected {}", name, join_alternatives(names)));
    }
    if (!member.is_null() || field->required) check_field(member, *field);
  }
  for (const Field& field : schema.fields)
    if (field.required && !value.contains(field.name))
      refuse_body(fmt::format("missing field `{}`", field.name));
}

// What serde would have been parsing where the text ends.
std::string_view unfinished(std::string_view text) {
  std::string open;
  bool in_string = false;
  char last = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      open += c;
    } else if ((c == '}' || c == ']') && !open.empty()) {
      open.pop_back();
    }
    if (std::isspace(static_cast<unsigned char>(c)) == 0) last = c;
  }
  if (in_string) return "a string";
  if (open.empty() || last == ':' || last == ',') return "a value";
  return open.back() == '{' ? "an object" : "a list";
}

// nlohmann takes the last of two members with one name; serde refuses the second.
class DuplicateFinder {
 public:
  bool operator()(int depth, Ordered::parse_event_t event, Ordered& value) {
    if (depth > kMostDepth) refuse_body("recursion limit exceeded");
    if (event == Ordered::parse_event_t::object_start) names_.emplace_back();
    if (event == Ordered::parse_event_t::object_end && !names_.empty()) names_.pop_back();
    if (event == Ordered::parse_event_t::key && !names_.back().insert(value.get<std::string>()).second)
      refuse_body(fmt::format("duplicate field `{}`", value.get<std::string>()));
    return true;
  }

 private:
  std::vector<std::set<std::string>> names_;
};

Ordered parse_text(std::string_view body) {
  try {
    return Ordered::parse(body.begin(), body.end(), DuplicateFinder());
  } catch (const Ordered::parse_error& error) {
    // Positions count from 1; at the end nlohmann names the one after the last byte.
    if (error.byte > body.size()) refuse_body(fmt::format("EOF while parsing {}", unfinished(body)));
    refuse_body("expected value");
  } catch (const Ordered::exception&) {
    refuse_body("number out of range");
  }
}

}  // namespace

Json parse_body(std::string_view body, const Schema& schema) {
  const Ordered value = parse_text(body);
  check_object(value, schema);
  Json result = Json::object();
  for (const auto& [name, member] : value.items())
    if (!member.is_null()) result[name] = Json(member);
  return result;
}

void refuse_body(std::string_view reason) {
  fail(Code::kInvalidArgument, "An error occurred when deserializing the json body of a request: {}.",
       reason);
}

}  // namespace knaller::firecracker
