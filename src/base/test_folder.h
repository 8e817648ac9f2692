// A fresh folder for a test, removed with all that is in it.
#ifndef KNALLER_BASE_TEST_FOLDER_H_
#define KNALLER_BASE_TEST_FOLDER_H_

#include <fcntl.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

namespace knaller {

// For what is over in milliseconds, however busy the machine is.
inline const Deadline kSoon = Deadline::after(std::chrono::minutes(10));

class TestFolder {
 public:
  TestFolder() : TestFolder(std::getenv("TMPDIR") == nullptr ? "/tmp" : std::getenv("TMPDIR")) {}
  explicit TestFolder(const std::string& root) : path_(root + "/knaller-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) fail_errno("make a folder like '{}'", path_);
    fd_ = open_directory(path_);
  }
  ~TestFolder() {
    try {
      remove_tree(AT_FDCWD, path_);
    } catch (const Error&) {  // a left-over folder fails no test
    }
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  int fd() const { return fd_.get(); }

 private:
  std::string path_;
  UniqueFd fd_;
};

// The code of the Error that `body` throws; nothing when it throws none.
template <typename Body>
std::optional<Code> code_thrown_by(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

// "MESSAGE | HINT" of the Error that `body` throws; empty when it throws none.
template <typename Body>
std::string message_thrown_by(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(error.what()) + " | " + error.hint();
  }
  return {};
}

}  // namespace knaller

#endif  // KNALLER_BASE_TEST_FOLDER_H_
