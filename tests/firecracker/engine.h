// For tests: an engine (the fake, the real one, knaller-qemu) as a child process in a folder of its own.
#ifndef KNALLER_TESTS_FIRECRACKER_ENGINE_H_
#define KNALLER_TESTS_FIRECRACKER_ENGINE_H_

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "firecracker/client.h"
#include "firecracker/test_kernel.h"

namespace knaller::test {

class EngineFolder : public TestFolder {
 public:
  void write(const std::string& name, const std::string& content) const;
  void make_sparse(const std::string& name, uint64_t bytes) const;
  std::string read(const std::string& name) const;
};

// The time that a test waits for what must happen at all.
Deadline patience();

// Starts `binary --api-sock api.sock ARGUMENTS` in the folder and waits until it listens. Ends with this
// object.
class Engine {
 public:
  Engine(const std::string& binary, const EngineFolder& folder,
         const std::vector<std::string>& arguments = {});

  const firecracker::Client& client() const { return client_; }
  Child& child() { return child_; }
  // What it wrote to standard output, up to now.
  std::string console() const { return folder_.read("console"); }

 private:
  const EngineFolder& folder_;
  Child child_;
  firecracker::Client client_;
};

using firecracker::tiny_kernel;

}  // namespace knaller::test

#endif  // KNALLER_TESTS_FIRECRACKER_ENGINE_H_
