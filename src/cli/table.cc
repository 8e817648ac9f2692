#include "cli/table.h"

#include <algorithm>

#include "base/text.h"
#include "cli/terminal.h"

namespace knaller::cli {

std::string Table::render() const {
  const size_t columns = rows_.front().size();
  std::vector<size_t> widths(columns, 0);
  for (size_t column = 0; column < columns; ++column) {
    const bool used =
        rows_.size() == 1 || std::any_of(rows_.begin() + 1, rows_.end(),
                                         [column](const auto& row) { return !row[column].empty(); });
    if (!used) continue;
    for (const auto& row : rows_)
      widths[column] = std::max(widths[column], display_width(printable(row[column])));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t column = 0; column < columns; ++column) {
      if (widths[column] == 0) continue;
      const std::string cell = printable(row[column]);
      line += cell + std::string(widths[column] - display_width(cell) + 3, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace knaller::cli
