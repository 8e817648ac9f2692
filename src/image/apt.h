// Debian packages through an apt of our own: its own sources, lists and archives below one folder, Debian's
// keyring, the host's mirrors and proxies. Nothing is ever installed, and nothing of the host's apt is
// written.
//
// Blocks; every program has the deadline. Failures are knaller::Error with apt's own words.
#ifndef KNALLER_IMAGE_APT_H_
#define KNALLER_IMAGE_APT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "knaller/types.h"

namespace knaller::image {

struct PackageFile {
  std::string name;     // "busybox-static"
  std::string version;  // "1:1.35.0-4"
  std::string path;     // of the .deb
};

class Apt {
 public:
  // Makes what is missing below `folder`, an absolute path. kNotFound when apt or Debian's keyring is not
  // installed.
  Apt(const std::string& folder, EventSink sink);

  // Fetches what the mirrors have.
  void update(const Deadline& deadline);
  // The package that `name` (a metapackage) depends on and whose name begins with `prefix`.
  std::string dependency(const std::string& name, const std::string& prefix, const Deadline& deadline);
  // `names`, which are package names, and all that they depend on, without what is only recommended.
  std::vector<std::string> closure(const std::vector<std::string>& names, const Deadline& deadline);
  // Exactly these, checked against the digests of the lists. What is already there and right is not fetched
  // again.
  std::vector<PackageFile> download(const std::vector<std::string>& names, const Deadline& deadline);

  // For mmdebstrap: the sources, one line each.
  const std::string& sources() const { return sources_; }
  // "Acquire::http::Proxy …" and the like, as the host's apt has it, one option each.
  const std::vector<std::string>& host_options() const { return host_options_; }

 private:
  struct Wanted {
    PackageFile file;
    uint64_t bytes = 0;
    std::string sha256;
  };
  std::vector<Wanted> look_up(const std::vector<std::string>& names, const Deadline& deadline) const;
  static bool is_whole(const Wanted& package);
  void write_configuration();
  std::string output_of(const std::string& program, std::vector<std::string> arguments,
                        const Deadline& deadline) const;
  // Runs apt-get with its progress going to the sink; `total` bytes are expected (0: unknown).
  void run_with_progress(std::vector<std::string> arguments, const std::string& working_directory,
                         const std::string& what, uint64_t total, const Deadline& deadline);

  std::string folder_;
  std::string sources_;
  std::vector<std::string> host_options_;
  std::vector<std::string> environment_;
  EventSink sink_;
};

// As Debian's policy allows them; nothing that could be an option or hold a comma. Pure.
bool is_package_name(std::string_view name);

// "dlstatus:3:45.2000:Retrieving file 3 of 10" -> 45.2; negative when it is not such a line. Pure.
double percent_of_status_line(std::string_view line);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_APT_H_
