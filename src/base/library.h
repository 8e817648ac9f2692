// A shared library that is opened when it is needed and not linked, so that commands that never need it do
// not wait for it and what it pulls in.
#ifndef KNALLER_BASE_LIBRARY_H_
#define KNALLER_BASE_LIBRARY_H_

#include <string>

// A member for a function that a header declares, for find() to set: for structs made from a list of
// functions.
#define KNALLER_LIBRARY_FUNCTION(name) \
  decltype(&::name) name = nullptr;  // NOLINT(bugprone-macro-parentheses): a declaration

namespace knaller {

// Never closed: it may have started threads, and its functions are kept. Any thread.
class Library {
 public:
  // kNotFound when there is no `file` ("libarchive.so.13"), with the Debian package that has it in the hint.
  Library(std::string file, const std::string& package);

  // A function whose type its header gives; kUnsupported when the library has none of that name.
  template <typename Function>
  void find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(address_of(name));
  }

 private:
  void* address_of(const char* name) const;

  std::string file_;
  void* handle_ = nullptr;
};

}  // namespace knaller

#endif  // KNALLER_BASE_LIBRARY_H_
