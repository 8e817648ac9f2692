#include "base/json.h"

#include "base/text.h"

namespace knaller {
namespace {

constexpr int kMostDepth = 64;

// Before anything is built: what builds it calls itself for each level. Up to a document's first error, at
// which that stops, strings end where they seem to.
bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string && c == '\\') {
      ++at;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '{' || c == '[')) {
      if (++depth > kMostDepth) return true;
    } else if (!in_string && (c == '}' || c == ']')) {
      --depth;
    }
  }
  return false;
}

// Finds the place of the first error, which the library's exception-free parse does not tell.
class Finder final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_object() override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& exception) override {
    const std::string_view text = exception.what();
    const size_t prefix = text.find("] ");  // "[json.exception.parse_error.101] "
    error_ = printable(prefix == std::string_view::npos ? text : text.substr(prefix + 2));
    return false;
  }

  const std::string& error() const { return error_; }

 private:
  std::string error_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view what, Code code) {
  if (is_too_deep(text))
    fail(code, "{} is not valid JSON: it is nested deeper than {} levels", what, kMostDepth);
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_discarded()) return json;
  Finder finder;
  Json::sax_parse(text, &finder);
  fail(code, "{} is not valid JSON: {}", what, finder.error());
}

JsonReader::JsonReader(const Json& object, std::string what, Code code)
    : object_(object), what_(std::move(what)), code_(code) {
  if (!object_.is_object()) fail(code_, "{} must be an object", what_);
}

const Json* JsonReader::find(std::string_view key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonReader::has(std::string_view key) const {
  return find(key) != nullptr;
}

std::string JsonReader::string(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_string()) wrong(key, "a string");
  return value->get<std::string>();
}

std::string JsonReader::string_or(std::string_view key, std::string fallback) const {
  return has(key) ? string(key) : fallback;
}

int64_t JsonReader::integer(std::string_view key, int64_t least, int64_t most) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_number_integer()) wrong(key, "a whole number");
  // What exceeds int64_t is stored unsigned and would come out negative.
  const bool too_large = value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX};
  const int64_t number = too_large ? 0 : value->get<int64_t>();
  if (too_large || number < least || number > most) {
    wrong(key, fmt::format("a whole number between {} and {}", least, most));
  }
  return number;
}

int64_t JsonReader::integer_or(std::string_view key, int64_t fallback, int64_t least, int64_t most) const {
  return has(key) ? integer(key, least, most) : fallback;
}

bool JsonReader::boolean_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) wrong(key, "true or false");
  return value->get<bool>();
}

const Json& JsonReader::object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_object()) wrong(key, "an object");
  return *value;
}

const Json& JsonReader::array(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_array()) wrong(key, "an array");
  return *value;
}

void JsonReader::wrong(std::string_view key, std::string_view expected) const {
  fail(code_, "{}: '{}' {} {}", what_, key, has(key) ? "must be" : "is missing; it must be", expected);
}

std::string dump_json(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json error_to_json(const Error& error) {
  return Json{{"code", to_string(error.code())},
              {"message", error.message()},
              {"hint", error.hint()},
              {"context", error.contexts()}};
}

Error error_from_json(const Json& json) {
  const JsonReader reader(json, "an error");
  Error error(code_from_string(reader.string("code")), reader.string("message"),
              reader.string_or("hint", ""));
  if (!reader.has("context")) return error;
  const Json& contexts = reader.array("context");
  for (auto context = contexts.rbegin(); context != contexts.rend(); ++context) {
    if (!context->is_string()) fail(Code::kCorrupt, "an error: 'context' must be an array of strings");
    error.in(context->get<std::string>());
  }
  return error;
}

}  // namespace knaller
