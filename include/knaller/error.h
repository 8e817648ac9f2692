// The one exception type that knaller's library throws.
//
// An error has a small code to decide by, a message that says what failed and on what, a hint that says what
// to do next, and the contexts that callers added on its way up (outermost first).
#ifndef KNALLER_ERROR_H_
#define KNALLER_ERROR_H_

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace knaller {
inline namespace v0 {

enum class Code {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kWrongState,
  kBusy,
  kPermission,
  kUnsupported,
  kExhausted,
  kTimeout,
  kCancelled,
  kCorrupt,
  kEngineRefused,
  kEngineDied,
  kIo,
  kInternal,
};

// "invalid_argument", "not_found", … as written in JSON.
std::string_view to_string(Code code);
// The inverse; kInternal for a name that this version does not know.
Code code_from_string(std::string_view name);

class Error : public std::exception {
 public:
  Error(Code code, std::string message, std::string hint = {});

  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  // Outermost first: {"start 'web'", "set up the network"}.
  const std::vector<std::string>& contexts() const { return contexts_; }

  // Puts one more context around what is there. Returns itself, for `throw error.in("start 'web'")`.
  Error& in(std::string context);
  Error& with_hint(std::string hint);

  // "start 'web': set up the network: message". Without the hint.
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  void render();

  Code code_;
  std::string message_;
  std::string hint_;
  std::vector<std::string> contexts_;
  std::string what_;
};

}  // namespace v0
}  // namespace knaller

#endif  // KNALLER_ERROR_H_
