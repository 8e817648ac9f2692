// Keys in memory, for as short a time as possible.
#ifndef KNALLER_BASE_SECRET_H_
#define KNALLER_BASE_SECRET_H_

#include <cstring>
#include <string>
#include <utility>

namespace knaller {

// A text that is overwritten when it goes. Not copied, since copies would stay.
class Secret {
 public:
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { ::explicit_bzero(text_.data(), text_.size()); }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_SECRET_H_
