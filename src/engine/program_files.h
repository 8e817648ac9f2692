// What a program needs from the host besides itself: nothing for a static one, else its loader and libraries.
#ifndef KNALLER_ENGINE_PROGRAM_FILES_H_
#define KNALLER_ENGINE_PROGRAM_FILES_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"

namespace knaller::engine {

// Where an engine looks for programs in its jail, which shows it the host's.
inline constexpr char kEnginePath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Empty when there is none.
std::string find_in_jail(const std::string& program);

// Runs the programs' own loader, which takes some 10 ms. kUnsupported for what is not a program.
class ProgramFiles {
 public:
  explicit ProgramFiles(const Deadline& deadline) : deadline_(deadline) {}

  // Not the program itself.
  void add_needs_of(const std::string& program);
  // A library that `program` opens by itself, with what it needs.
  void add_opened_library(const std::string& library, const std::string& program);
  void add(const std::string& path);

  // Absolute paths of files and folders, sorted.
  std::vector<std::string> sorted() const { return {files_.begin(), files_.end()}; }

 private:
  void add_interpreter(const std::string& head, const std::string& path);
  void add_libraries(const std::string& loader, const std::string& path);

  Deadline deadline_;
  std::set<std::string> files_;
};

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_PROGRAM_FILES_H_
