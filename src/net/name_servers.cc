#include "net/name_servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::net {
namespace {

constexpr size_t kMostServers = 3;
constexpr size_t kFileLimit = 1 << 20;
constexpr uint16_t kDnsPort = 53;

template <typename Address>
NameServer with_address(std::string_view text, const Address& address) {
  NameServer server{.text = std::string(text), .size = sizeof address};
  std::memcpy(&server.address, &address, sizeof address);
  return server;
}

std::optional<NameServer> parse_server(std::string_view text) {
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(kDnsPort);
  if (::inet_pton(AF_INET, std::string(text).c_str(), &ipv4.sin_addr) == 1) return with_address(text, ipv4);
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(kDnsPort);
  const size_t percent = text.find('%');
  if (percent != std::string_view::npos)
    ipv6.sin6_scope_id = ::if_nametoindex(std::string(text.substr(percent + 1)).c_str());
  if (::inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &ipv6.sin6_addr) == 1)
    return with_address(text, ipv6);
  return std::nullopt;
}

std::string identity_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "none";
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

}  // namespace

std::vector<NameServer> parse_name_servers(std::string_view resolv_conf) {
  constexpr std::string_view kKey = "nameserver";
  std::vector<NameServer> servers;
  for (std::string_view line : split(resolv_conf, '\n')) {
    if (!line.starts_with(kKey) || servers.size() == kMostServers) continue;
    line.remove_prefix(kKey.size());
    if (line.empty() || (line.front() != ' ' && line.front() != '\t')) continue;
    line = trim(line);
    if (const auto server = parse_server(line.substr(0, line.find_first_of(" \t#;"))))
      servers.push_back(*server);
  }
  return servers;
}

const std::vector<NameServer>& NameServers::now() {
  std::string identity = identity_of(path_);
  if (identity == identity_) return servers_;
  identity_ = std::move(identity);
  try {
    servers_ = parse_name_servers(read_file(path_, kFileLimit));
  } catch (const Error&) {  // missing, or changed at this moment: then its identity has changed, too
    servers_.clear();
  }
  return servers_;
}

}  // namespace knaller::net
