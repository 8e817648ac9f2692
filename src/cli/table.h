// Text in columns. Pure.
#ifndef KNALLER_CLI_TABLE_H_
#define KNALLER_CLI_TABLE_H_

#include <string>
#include <vector>

namespace knaller::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  // As many cells as there are headings.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Every column as wide as its widest cell; columns that are empty in all rows are left out. Cells are made
  // safe for a terminal.
  std::string render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_TABLE_H_
