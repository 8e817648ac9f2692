#include "engine.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

namespace knaller::test {
namespace {

constexpr size_t kReadLimit = 64 << 20;

Child spawn_engine(const std::string& binary, const EngineFolder& folder,
                   const std::vector<std::string>& arguments) {
  const UniqueFd console = open_at(folder.fd(), "console", O_WRONLY | O_CREAT | O_APPEND);
  SpawnOptions options;
  options.argv = {binary, "--api-sock", "api.sock"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.working_directory = folder.path();
  options.stdout_fd = console.get();
  options.stderr_fd = console.get();
  return spawn(options);
}

}  // namespace

void EngineFolder::write(const std::string& name, const std::string& content) const {
  const UniqueFd file = open_at(fd(), name, O_WRONLY | O_CREAT | O_TRUNC);
  write_all(file.get(), content, name);
}

void EngineFolder::make_sparse(const std::string& name, uint64_t bytes) const {
  const UniqueFd file = open_at(fd(), name, O_WRONLY | O_CREAT | O_TRUNC);
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) fail_errno("make '{}'", name);
}

std::string EngineFolder::read(const std::string& name) const {
  return read_file(fd(), name, kReadLimit);
}

Deadline patience() {
  return Deadline::after(std::chrono::seconds(30));
}

Engine::Engine(const std::string& binary, const EngineFolder& folder,
               const std::vector<std::string>& arguments)
    : folder_(folder), child_(spawn_engine(binary, folder, arguments)), client_(folder.fd(), "api.sock") {
  client_.wait_until_listening(patience(), child_.pidfd());
}

}  // namespace knaller::test
