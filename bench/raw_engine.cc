#include "raw_engine.h"

#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "figures.h"
#include "firecracker/client.h"
#include "store/layout.h"
#include "vm/home/layout.h"

namespace knaller::bench {

namespace fs = std::filesystem;

std::string make_engine_folder(const std::string& parent, const std::string& jail) {
  std::string folder = parent + "/raw.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw errno_error(errno, "make a folder below " + parent);
  for (const auto& entry : fs::directory_iterator(jail)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().filename();
    const fs::path copy = fs::path(folder) / name;
    const UniqueFd from = open_at(AT_FDCWD, entry.path(), O_RDONLY);
    if (name != layout::kDisk) {
      fs::create_hard_link(entry.path(), copy);
      continue;
    }
    const UniqueFd to = open_at(AT_FDCWD, copy, O_RDWR | O_CREAT | O_EXCL, 0600);
    copy_sparse(from.get(), to.get(), file_size(from.get()), Deadline::never());
  }
  return folder;
}

double time_raw_engine(const std::string& binary, const std::string& folder,
                       const std::vector<firecracker::Request>& requests) {
  const Deadline deadline = Deadline::after(std::chrono::seconds(60));
  fs::remove(folder + "/api.sock");
  const UniqueFd directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) throw errno_error(errno, "open " + folder);
  Child engine;
  const double took = time_of([&] {
    engine =
        spawn({.argv = {binary, "--api-sock", "api.sock", "--id", "bench"}, .working_directory = folder});
    const firecracker::Client client(directory.get(), "api.sock");
    client.wait_until_listening(deadline, engine.pidfd());
    for (const firecracker::Request& request : requests) client.apply(request, deadline);
  });
  engine.kill_and_reap();
  return took;
}

}  // namespace knaller::bench
