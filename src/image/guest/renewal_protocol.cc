#include "image/guest/base64.h"
#include "image/guest/boot_config.h"
#include "image/guest/renewal.h"

namespace knaller::guest_helper {
namespace {

// Just enough JSON: one flat object of strings and whole numbers. A string holds no escapes but \" \\ and \/,
// since none of the values needs another.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool take(char c) {
    skip_spaces();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool at_end() {
    skip_spaces();
    return text_.empty();
  }

  bool string(std::string* value) {
    value->clear();
    if (!take('"')) return false;
    while (!text_.empty()) {
      char c = text_[0];
      text_.remove_prefix(1);
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\') {
        if (text_.empty() || (text_[0] != '"' && text_[0] != '\\' && text_[0] != '/')) return false;
        c = text_[0];
        text_.remove_prefix(1);
      }
      value->push_back(c);
    }
    return false;
  }

  // Not negative, no leading zero, fits 63 bits.
  bool number(int64_t* value) {
    skip_spaces();
    size_t digits = 0;
    *value = 0;
    while (digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9') {
      const int digit = text_[digits] - '0';
      if (*value > (INT64_MAX - digit) / 10) return false;
      *value = *value * 10 + digit;
      ++digits;
    }
    if (digits == 0 || (digits > 1 && text_[0] == '0')) return false;
    text_.remove_prefix(digits);
    return true;
  }

 private:
  void skip_spaces() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t')) text_.remove_prefix(1);
  }

  std::string_view text_;
};

struct Seen {
  bool version = false;
  bool entropy = false;
  bool time = false;
  bool hostname = false;
};

bool once(bool* seen) {
  const bool first = !*seen;
  *seen = true;
  return first;
}

bool take_version(Scanner* scanner) {
  int64_t version = 0;
  return scanner->number(&version) && version == 1;
}

bool take_entropy(Scanner* scanner, std::string* bytes) {
  std::string text;
  return scanner->string(&text) && decode_base64(text, bytes) && bytes->size() >= 16 && bytes->size() <= 512;
}

bool take_hostname(Scanner* scanner, std::string* hostname) {
  return scanner->string(hostname) && is_hostname(*hostname);
}

bool take_member(Scanner* scanner, Seen* seen, RenewRequest* request, std::string* error) {
  std::string key;
  if (!scanner->string(&key) || !scanner->take(':')) {
    *error = "the request is not a JSON object";
    return false;
  }
  bool good = false;
  if (key == "v") good = once(&seen->version) && take_version(scanner);
  if (key == "entropy") good = once(&seen->entropy) && take_entropy(scanner, &request->entropy);
  if (key == "time_ns") good = once(&seen->time) && scanner->number(&request->time_ns);
  if (key == "hostname") good = once(&seen->hostname) && take_hostname(scanner, &request->hostname);
  // The key is never repeated in the message: it may hold anything.
  if (!good) *error = "a member of the request is unknown, given twice or has a wrong value";
  return good;
}

}  // namespace

bool parse_renew_request(std::string_view line, RenewRequest* request, std::string* error) {
  *request = {};
  Scanner scanner(line);
  Seen seen;
  if (!scanner.take('{')) {
    *error = "the request is not a JSON object";
    return false;
  }
  do {
    if (!take_member(&scanner, &seen, request, error)) return false;
  } while (scanner.take(','));
  if (!scanner.take('}') || !scanner.at_end()) {
    *error = "the request is not one JSON object";
    return false;
  }
  if (!seen.version) *error = "the request has no version";
  return seen.version;
}

std::string render_renew_result(const RenewResult& result) {
  if (result.error.empty() && result.failed.empty()) return "{\"v\":1,\"ok\":true}\n";
  std::string line = "{\"v\":1,\"ok\":false,\"error\":\"";
  for (const char c : result.error) {
    if (c == '"' || c == '\\') line.push_back('\\');
    line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  line += "\",\"failed\":[";
  for (size_t i = 0; i < result.failed.size(); ++i) {
    if (i > 0) line.push_back(',');
    line += '"' + result.failed[i] + '"';
  }
  return line + "]}\n";
}

}  // namespace knaller::guest_helper
