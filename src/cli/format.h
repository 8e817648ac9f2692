// `--format`: text with fields in double braces, a small part of Go's templates.
//
//   {{.Name}}  a field      {{json .}}  the whole object      {{json .Name}}  a field as JSON
//   \t \n \\   as in Go     "table " in front: columns with headings, separated by \t
//
// Anything else in braces is Code::kInvalidArgument and names what there is.
#ifndef KNALLER_CLI_FORMAT_H_
#define KNALLER_CLI_FORMAT_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace knaller::cli {

// One thing that can be printed: its fields in the order of the documentation, and itself as JSON, which few
// outputs ask for. The thing must outlive it.
struct Fields {
  std::vector<std::pair<std::string, std::string>> text;
  std::function<std::string()> json;

  const std::string* find(std::string_view name) const;
};

class Format {
 public:
  // `sample` has the fields that there are (their values do not matter).
  Format(std::string_view text, const Fields& sample);
  // Lines for all of them, each ended by a new line. On a terminal the fields are made printable.
  std::string render(const std::vector<Fields>& rows, bool for_terminal = false) const;

 private:
  enum class Kind { kText, kField, kJsonField, kJsonAll };
  struct Piece {
    Kind kind;
    std::string text;
  };

  void add_expression(std::string_view expression, const Fields& sample);
  std::string line(const Fields& row, bool for_terminal) const;

  bool table_ = false;
  std::vector<Piece> pieces_;
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_FORMAT_H_
