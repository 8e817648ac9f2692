// Which mirrors to take Debian packages from: those that this host is configured to use, if it is a Debian,
// else Debian's own. Pure.
#ifndef KNALLER_IMAGE_DEBIAN_SOURCES_H_
#define KNALLER_IMAGE_DEBIAN_SOURCES_H_

#include <string>
#include <string_view>
#include <vector>

namespace knaller::image {

struct DebianMirrors {
  std::string archive = "http://deb.debian.org/debian";
  std::string security = "http://deb.debian.org/debian-security";
};

// One file of /etc/apt: in the one-line form (*.list) or in the deb822 form (*.sources).
struct SourcesFile {
  bool deb822 = false;
  std::string text;
};

// The first mirror of each kind that serves a Debian release with its component main. Anything else in the
// files (other repositories, cdrom:, disabled entries, malformed lines) is ignored.
DebianMirrors find_mirrors(const std::vector<SourcesFile>& files);

// A one-line sources.list for Debian 12 with its updates and security updates, signed by `keyring` alone.
std::string render_sources(const DebianMirrors& mirrors, const std::string& keyring);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_DEBIAN_SOURCES_H_
