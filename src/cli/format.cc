#include "cli/format.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace knaller::cli {
namespace {

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    const char next = text[++at];
    if (next == 't') {
      out += '\t';
    } else if (next == 'n') {
      out += '\n';
    } else {
      if (next != '\\') out += '\\';
      out += next;
    }
  }
  return out;
}

// "EngineVersion" -> "ENGINE VERSION"
std::string heading(std::string_view field) {
  std::string out;
  for (size_t at = 0; at < field.size(); ++at) {
    const bool upper = std::isupper(static_cast<unsigned char>(field[at])) != 0;
    if (at > 0 && upper && std::islower(static_cast<unsigned char>(field[at - 1])) != 0) out += ' ';
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(field[at])));
  }
  return out;
}

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  for (const std::string_view cell : split(line, '\t')) cells.emplace_back(cell);
  return cells;
}

}  // namespace

const std::string* Fields::find(std::string_view name) const {
  const auto found =
      std::find_if(text.begin(), text.end(), [name](const auto& field) { return field.first == name; });
  return found == text.end() ? nullptr : &found->second;
}

Format::Format(std::string_view text, const Fields& sample) {
  if (text == "json") text = "{{json .}}";
  if (text.starts_with("table ")) {
    table_ = true;
    text.remove_prefix(6);
  }
  while (!text.empty()) {
    const size_t open = text.find("{{");
    if (open != 0) pieces_.push_back({Kind::kText, unescaped(text.substr(0, open))});
    if (open == std::string_view::npos) return;
    const size_t close = text.find("}}", open);
    if (close == std::string_view::npos)
      throw Error(Code::kInvalidArgument,
                  fmt::format("--format '{}': a '{{{{' without '}}}}'", printable(text)));
    add_expression(trim(text.substr(open + 2, close - open - 2)), sample);
    text.remove_prefix(close + 2);
  }
}

void Format::add_expression(std::string_view expression, const Fields& sample) {
  if (expression == "json .") return pieces_.push_back({Kind::kJsonAll, ""});
  Kind kind = Kind::kField;
  std::string_view name = expression;
  if (name.starts_with("json ")) {
    kind = Kind::kJsonField;
    name = trim(name.substr(5));
  }
  if (name.starts_with('.') && sample.find(name.substr(1)) != nullptr)
    return pieces_.push_back({kind, std::string(name.substr(1))});
  std::vector<std::string> known;
  for (const auto& [field, value] : sample.text) known.push_back(field);
  const std::string near = nearest(name.starts_with('.') ? name.substr(1) : name, known);
  throw Error(Code::kInvalidArgument,
              fmt::format("--format: '{{{{{}}}}}' is not a field", printable(expression)),
              near.empty() ? fmt::format("there are: .{}", fmt::join(known, " ."))
                           : fmt::format("did you mean '{{{{.{}}}}}'?", near));
}

std::string Format::line(const Fields& row, bool for_terminal) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::kText:
        out += piece.text;
        break;
      case Kind::kField:
        out += for_terminal ? printable(*row.find(piece.text)) : *row.find(piece.text);
        break;
      case Kind::kJsonField:
        out += json_text(Json(*row.find(piece.text)));
        break;
      case Kind::kJsonAll:
        out += row.json();
        break;
    }
  }
  return out;
}

std::string Format::render(const std::vector<Fields>& rows, bool for_terminal) const {
  std::string out;
  if (!table_) {
    for (const Fields& row : rows) out += line(row, for_terminal) + "\n";
    return out;
  }
  std::string top;
  for (const Piece& piece : pieces_)
    top += piece.kind == Kind::kText      ? piece.text
           : piece.kind == Kind::kJsonAll ? "JSON"
                                          : heading(piece.text);
  Table table(cells_of(top));
  for (const Fields& row : rows) {
    std::vector<std::string> cells = cells_of(line(row, for_terminal));
    cells.resize(cells_of(top).size());
    table.add(std::move(cells));
  }
  return table.render();
}

}  // namespace knaller::cli
