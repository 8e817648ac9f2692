// JSON from outside (files, peers): strict, no exceptions of the JSON library's own, errors that name the
// place. Include in .cc files only: nlohmann's header is slow to compile; headers use
// <nlohmann/json_fwd.hpp>.
#ifndef KNALLER_BASE_JSON_H_
#define KNALLER_BASE_JSON_H_

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace knaller {

using Json = nlohmann::json;

// Parses one document. Depth is limited to 64. Throws Error(code) "<what> is not valid JSON: …".
Json parse_json(std::string_view text, std::string_view what, Code code = Code::kCorrupt);

// Typed access to the members of an object. `what` names the document in errors: "vm.json: 'vcpus' must be a
// whole number".
class JsonReader {
 public:
  JsonReader(const Json& object, std::string what, Code code = Code::kCorrupt);
  JsonReader(Json&& object, std::string what, Code code = Code::kCorrupt) = delete;  // only refers to it

  bool has(std::string_view key) const;
  std::string string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string fallback) const;
  int64_t integer(std::string_view key, int64_t least, int64_t most) const;
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t least, int64_t most) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  const Json& object(std::string_view key) const;
  const Json& array(std::string_view key) const;
  // nullptr when absent or null.
  const Json* find(std::string_view key) const;

 private:
  [[noreturn]] void wrong(std::string_view key, std::string_view expected) const;

  const Json& object_;
  std::string what_;
  Code code_;
};

// Compact and safe for any bytes: invalid UTF-8 is replaced, never thrown about.
std::string dump_json(const Json& json, int indent = -1);

// {"code","message","hint","context"}, the form in which errors cross processes and reach users with --json.
Json error_to_json(const Error& error);
Error error_from_json(const Json& json);

}  // namespace knaller

#endif  // KNALLER_BASE_JSON_H_
