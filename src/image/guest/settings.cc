#include "image/guest/settings.h"

#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "image/guest/files.h"

namespace knaller::guest_helper {
namespace {

constexpr std::string_view kOwnAddress = "127.0.1.1";

// With their newlines, so that together they are the text.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end == std::string_view::npos ? end : end + 1));
    text.remove_prefix(lines.back().size());
  }
  return lines;
}

// Up to a comment.
std::vector<std::string_view> words_of(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  for (;;) {
    const size_t begin = line.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return words;
    const size_t end = line.find_first_of(" \t\r\n", begin);
    words.push_back(line.substr(begin, end == std::string_view::npos ? end : end - begin));
    line = end == std::string_view::npos ? std::string_view() : line.substr(end);
  }
}

std::string own_line(std::string_view hostname) {
  return std::string(kOwnAddress) + '\t' + std::string(hostname) + '\n';
}

bool is_own_line(std::string_view line) {
  const auto words = words_of(line);
  return words.size() == 2 && words[0] == kOwnAddress && line == own_line(words[1]);
}

bool resolves(const std::vector<std::string_view>& lines, std::string_view hostname) {
  for (const std::string_view line : lines) {
    const auto words = words_of(line);
    for (size_t i = 1; i < words.size(); ++i)
      if (words[i] == hostname) return true;
  }
  return false;
}

// An absent file is an empty one.
bool read_or_empty(const std::string& root, const std::string& path, std::string* content) {
  return read_file_in(root, path, content) || errno == ENOENT;
}

bool make_directory(const std::string& path, mode_t mode) {
  return mkdir(path.c_str(), mode) == 0 || errno == EEXIST;
}

}  // namespace

std::string hosts_with(const std::string& hosts, const std::string& hostname) {
  const auto lines = lines_of(hosts);
  if (resolves(lines, hostname)) return hosts;
  std::string result;
  bool replaced = false;
  for (const std::string_view line : lines) {
    const bool own = !replaced && is_own_line(line);
    result += own ? own_line(hostname) : std::string(line);
    replaced = replaced || own;
  }
  if (replaced) return result;
  if (!result.empty() && result.back() != '\n') result += '\n';
  return result + own_line(hostname);
}

std::string resolv_conf_with(const std::string& resolv_conf, const std::string& server) {
  for (const std::string_view line : lines_of(resolv_conf)) {
    const auto words = words_of(line);
    if (words.size() >= 2 && words[0] == "nameserver" && words[1] == server) return resolv_conf;
  }
  return "nameserver " + server + '\n' + resolv_conf;
}

bool holds_key(const std::string& authorized_keys, const std::string& key) {
  for (const std::string_view line : lines_of(authorized_keys)) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin != std::string_view::npos && line[begin] != '#' && line.find(key) != std::string_view::npos)
      return true;
  }
  return false;
}

bool write_hostname(const std::string& root, const std::string& hostname, std::string* failed) {
  *failed = "write /etc/hostname";
  make_directory(root + "/etc", 0755);  // if it can't be made, the write says so
  const bool named = replace_file(root, "/etc/hostname", hostname + '\n', 0644);
  const int saved_errno = errno;
  std::string hosts;
  const bool there = read_file_in(root, "/etc/hosts", &hosts);
  if (!there && errno == ENOENT) hosts = "127.0.0.1\tlocalhost\n";
  const bool readable = there || errno == ENOENT;
  if (!readable || !replace_file(root, "/etc/hosts", hosts_with(hosts, hostname), 0644)) {
    *failed = "write /etc/hosts";
    return false;
  }
  errno = saved_errno;
  return named;
}

bool write_name_server(const std::string& root, const std::string& server, std::string* failed) {
  *failed = "write /etc/resolv.conf";
  make_directory(root + "/etc", 0755);
  std::string before;
  return read_or_empty(root, "/etc/resolv.conf", &before) &&
         replace_file(root, "/etc/resolv.conf", resolv_conf_with(before, server), 0644);
}

bool install_key(const std::string& root, const std::string& key, std::string* failed) {
  *failed = "install the SSH key in /root/.ssh/authorized_keys";
  std::string keys;
  if (!read_or_empty(root, "/root/.ssh/authorized_keys", &keys)) return false;
  if (holds_key(keys, key)) return true;
  make_directory(root + "/root", 0700);
  make_directory(root + "/root/.ssh", 0700);
  return append_line(root, "/root/.ssh/authorized_keys", "ssh-ed25519 " + key + " knaller", 0600);
}

}  // namespace knaller::guest_helper
