#include "image/apt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "disk/ext4.h"
#include "image/debian_sources.h"
#include "store/sha256.h"

namespace knaller::image {
namespace {

constexpr std::array<const char*, 2> kKeyrings = {"/usr/share/keyrings/debian-archive-keyring.gpg",
                                                  "/usr/share/keyrings/debian-archive-keyring.pgp"};
constexpr size_t kMostLogBytes = 1 << 20;
constexpr int kStatusFd = 3;
constexpr int64_t kMostPackageBytes = int64_t{1} << 32;

std::string find_keyring() {
  for (const char* keyring : kKeyrings)
    if (exists(keyring)) return keyring;
  throw Error(Code::kNotFound, "Debian's keyring is not installed, so packages can't be checked",
              "sudo apt-get install debian-archive-keyring");
}

std::vector<SourcesFile> read_host_sources() {
  std::vector<SourcesFile> files;
  const auto add = [&](const std::string& path, bool deb822) {
    try {
      files.push_back({deb822, read_file(path)});
    } catch (const Error& error) {
      // Some sites keep credentials in there, for root only; Debian's own mirrors are always there.
      if (error.code() != Code::kNotFound && error.code() != Code::kPermission) throw;
    }
  };
  add("/etc/apt/sources.list", false);
  static constexpr char kParts[] = "/etc/apt/sources.list.d";
  if (!exists(kParts)) return files;
  const UniqueFd folder = open_directory(kParts);
  for (const std::string& name : list_directory(folder.get())) {
    if (name.ends_with(".list")) add(fmt::format("{}/{}", kParts, name), false);
    if (name.ends_with(".sources")) add(fmt::format("{}/{}", kParts, name), true);
  }
  return files;
}

// This process's environment with the host's apt switched off. (Proxies are in there for those who set them
// so.)
std::vector<std::string> environment_with(const std::string& configuration) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("APT_CONFIG=") && !text.starts_with("LC_ALL=") && !text.starts_with("LANGUAGE="))
      environment.emplace_back(text);
  }
  environment.emplace_back("LC_ALL=C.UTF-8");
  environment.emplace_back("APT_CONFIG=" + configuration);
  return environment;
}

bool is_transport_option(std::string_view line) {
  static constexpr std::array<std::string_view, 5> kKept = {
      "Acquire::http", "Acquire::Retries", "Acquire::Check-", "Acquire::Max-ValidTime", "Acquire::ForceIPv"};
  return !line.ends_with(" \"\";") &&
         std::ranges::any_of(kKept, [&](std::string_view prefix) { return line.starts_with(prefix); });
}

uint64_t bytes_below(const std::string& path) {
  uint64_t bytes = 0;
  const UniqueFd folder = open_directory(path);
  for (const std::string& name : list_directory(folder.get())) {
    const auto info = stat_if_exists(folder.get(), name);
    if (info && S_ISREG(info->st_mode)) bytes += static_cast<uint64_t>(info->st_size);
  }
  return bytes;
}

// apt's own words: the lines that begin with "E:", else the last few.
std::string reason_in(const std::string& log) {
  std::string errors;
  for (const std::string_view line : split(log, '\n')) {
    if (!line.starts_with("E: ")) continue;
    if (!errors.empty()) errors += "; ";
    errors += printable(line.substr(3));
  }
  return errors.empty() ? printable(trim(log.substr(log.size() > 500 ? log.size() - 500 : 0))) : errors;
}

std::string field(const std::string& stanza, std::string_view name) {
  for (const std::string_view line : split(stanza, '\n'))
    if (line.starts_with(name) && line.substr(name.size()).starts_with(": "))
      return std::string(trim(line.substr(name.size() + 2)));
  return {};
}

// apt writes PACKAGE_VERSION_ARCHITECTURE.deb, with the version's colon escaped.
std::string deb_name(const std::string& stanza) {
  std::string version;
  for (const char c : field(stanza, "Version")) version += c == ':' ? std::string("%3a") : std::string(1, c);
  return fmt::format("{}_{}_{}.deb", field(stanza, "Package"), version, field(stanza, "Architecture"));
}

// For the sweep of what no build uses any more; apt gives files the server's times.
void mark_as_used(const std::string& path) {
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) fail_errno("mark '{}' as used", path);
}

}  // namespace

bool is_package_name(std::string_view name) {
  return name.size() >= 2 && name.size() <= 128 &&
         std::ranges::all_of(name,
                             [](char c) {
                               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                                      c == '-' || c == '.';
                             }) &&
         name[0] != '-' && name[0] != '+' && name[0] != '.';
}

double percent_of_status_line(std::string_view line) {
  const auto parts = split(line, ':');
  if (parts.size() < 3 || parts[0] != "dlstatus") return -1;
  double percent = -1;
  const auto result = std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), percent);
  if (result.ec != std::errc{} || !(percent >= 0 && percent <= 100)) return -1;
  return percent;
}

Apt::Apt(const std::string& folder, EventSink sink) : folder_(folder), sink_(std::move(sink)) {
  if (find_program("apt-get").empty()) {
    throw Error(Code::kNotFound,
                "the program 'apt-get' is not installed, and images are built from Debian packages",
                "install apt, or take an image from elsewhere: knaller image import");
  }
  if (folder_.find_first_of("\"\\\n") != std::string::npos)
    fail(Code::kUnsupported, "apt can't work below '{}', whose name holds a quote or a backslash",
         printable(folder_));
  for (const char* part : {"/lists/partial", "/archives/partial", "/debs"}) make_directories(folder_ + part);
  sources_ = render_sources(find_mirrors(read_host_sources()), find_keyring());
  SpawnOptions options;
  options.argv = {disk::require_program("apt-config", "apt"), "dump"};
  const std::string dump = run_checked(std::move(options), Deadline::after(std::chrono::minutes(1)));
  for (const std::string_view line : split(dump, '\n'))
    if (is_transport_option(line)) host_options_.emplace_back(line);
  write_configuration();
}

void Apt::write_configuration() {
  const UniqueFd folder = open_directory(folder_);
  write_file_atomically(folder.get(), "sources.list", sources_, Durability::kNoSync);
  write_file_atomically(folder.get(), "status", "", Durability::kNoSync);
  std::string text = fmt::format(
      "Dir::State \"{0}\";\nDir::State::lists \"{0}/lists\";\nDir::State::status \"{0}/status\";\n"
      "Dir::Cache \"{0}\";\nDir::Cache::archives \"{0}/archives\";\nDir::Cache::srcpkgcache \"\";\nDir::Log "
      "\"{0}\";\n"
      "Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n"
      "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\nDir::Etc::preferences \"/dev/null\";\n"
      "Dir::Etc::preferencesparts \"/dev/null\";\nDir::Etc::trusted \"/dev/null\";\nDir::Etc::trustedparts "
      "\"/dev/null\";\n",
      folder_);
  // As root apt would download as the user _apt, who can't enter knaller's home.
  text +=
      "APT::Sandbox::User \"root\";\nAPT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\n"
      "APT::Install-Recommends \"false\";\nAPT::Get::Assume-Yes \"true\";\nAcquire::GzipIndexes "
      "\"true\";\nAcquire::Languages \"none\";\n";
  for (const std::string& option : host_options_) text += option + "\n";
  write_file_atomically(folder.get(), "apt.conf", text, Durability::kNoSync);
  environment_ = environment_with(folder_ + "/apt.conf");
}

std::string Apt::output_of(const std::string& program, std::vector<std::string> arguments,
                           const Deadline& deadline) const {
  SpawnOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), disk::require_program(program, "apt"));
  options.environment = environment_;
  return run_checked(std::move(options), deadline);
}

void Apt::run_with_progress(std::vector<std::string> arguments, const std::string& working_directory,
                            const std::string& what, uint64_t total, const Deadline& deadline) {
  if (sink_) sink_({.kind = EventKind::kStep, .text = what});
  const UniqueFd log = open_at(AT_FDCWD, folder_ + "/log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
  Pipe status = make_pipe();
  SpawnOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), {disk::require_program("apt-get", "apt"), "-q",
                                             fmt::format("-oAPT::Status-Fd={}", kStatusFd)});
  options.environment = environment_;
  options.working_directory = working_directory;
  options.stdout_fd = log.get();
  options.stderr_fd = log.get();
  options.descriptors = {{status.write_end.get(), kStatusFd}};
  Child child = spawn(options);
  status.write_end.reset();

  std::string pending;
  for (;;) {
    wait_readable(status.read_end.get(), deadline, "apt-get");
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(status.read_end.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    pending.append(buffer.data(), static_cast<size_t>(count));
    for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      const double percent = percent_of_status_line(std::string_view(pending).substr(0, end));
      pending.erase(0, end + 1);
      if (percent < 0 || !sink_) continue;
      const uint64_t done = total > 0
                                ? static_cast<uint64_t>(percent / 100 * static_cast<double>(total))
                                : bytes_below(folder_ + "/lists/partial") + bytes_below(folder_ + "/lists");
      sink_({.kind = EventKind::kProgress, .text = what, .done = done, .total = total});
    }
    if (pending.size() > 1 << 16) pending.clear();
  }
  const auto result = child.wait(deadline);
  if (!result) fail(Code::kTimeout, "apt-get did not end in time");
  if (result->success()) return;
  const std::string text = read_file(folder_ + "/log", kMostLogBytes);
  throw Error(Code::kIo, fmt::format("cannot {}: {}", what, reason_in(text)),
              "check the network, the proxy and the mirrors in /etc/apt; then run the command again");
}

void Apt::update(const Deadline& deadline) {
  // Without the option apt takes an old list, or none, for good enough.
  run_with_progress({"-oAPT::Update::Error-Mode=any", "update"}, folder_, "download the package lists", 0,
                    deadline);
}

std::string Apt::dependency(const std::string& name, const std::string& prefix, const Deadline& deadline) {
  const std::string depends =
      field(output_of("apt-cache", {"--no-all-versions", "show", name}, deadline), "Depends");
  for (const std::string_view item : split(depends, ',')) {
    const std::string_view trimmed = trim(item);
    const std::string_view package = trimmed.substr(0, trimmed.find_first_of(" ("));
    if (package.starts_with(prefix) && is_package_name(package)) return std::string(package);
  }
  fail(Code::kCorrupt, "the package '{}' does not depend on a package '{}…'", name, prefix);
}

std::vector<std::string> Apt::closure(const std::vector<std::string>& names, const Deadline& deadline) {
  std::vector<std::string> arguments = {"-qq", "--print-uris", "install"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  std::vector<std::string> result;
  // 'http://…' NAME_VERSION_ARCHITECTURE.deb SIZE DIGEST
  const std::string uris = output_of("apt-get", std::move(arguments), deadline);
  for (const std::string_view line : split(uris, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() < 3) continue;
    const std::string_view name = words[1].substr(0, words[1].find('_'));
    if (is_package_name(name)) result.emplace_back(name);
  }
  return result;
}

bool Apt::is_whole(const Wanted& package) {
  const auto info = stat_if_exists(AT_FDCWD, package.file.path);
  return info && static_cast<uint64_t>(info->st_size) == package.bytes &&
         store::sha256_hex(read_file(package.file.path, package.bytes)) == package.sha256;
}

std::vector<Apt::Wanted> Apt::look_up(const std::vector<std::string>& names, const Deadline& deadline) const {
  std::vector<std::string> show = {"--no-all-versions", "show"};
  show.insert(show.end(), names.begin(), names.end());
  const std::string stanzas = output_of("apt-cache", std::move(show), deadline);
  std::vector<Wanted> wanted;
  for (size_t at = 0; at < stanzas.size();) {
    const size_t end = std::min(stanzas.find("\n\n", at), stanzas.size());
    const std::string stanza = stanzas.substr(at, end - at);
    at = end + 2;
    const std::string name = field(stanza, "Package");
    if (name.empty()) continue;
    const int64_t bytes = parse_integer(field(stanza, "Size"), 0, kMostPackageBytes).value_or(0);
    wanted.push_back({{name, field(stanza, "Version"), folder_ + "/debs/" + deb_name(stanza)},
                      static_cast<uint64_t>(bytes),
                      field(stanza, "SHA256")});
  }
  return wanted;
}

std::vector<PackageFile> Apt::download(const std::vector<std::string>& names, const Deadline& deadline) {
  const std::vector<Wanted> wanted = look_up(names, deadline);
  std::vector<std::string> arguments = {"download"};
  uint64_t total = 0;
  for (const Wanted& package : wanted) {
    if (is_whole(package)) continue;
    // apt takes a file of the right size for the right file.
    remove_tree(AT_FDCWD, package.file.path);
    arguments.push_back(package.file.name);
    total += package.bytes;
  }
  for (const std::string& name : names) {  // what apt does not know, it says itself
    if (!std::ranges::any_of(wanted, [&](const Wanted& package) { return package.file.name == name; }))
      arguments.push_back(name);
  }
  if (const size_t count = arguments.size() - 1; count > 0) {
    const std::string what =
        fmt::format("download {} package{} ({})", count, count == 1 ? "" : "s", format_bytes(total));
    run_with_progress(std::move(arguments), folder_ + "/debs", what, total, deadline);
  }
  std::vector<PackageFile> files;
  for (const Wanted& package : wanted) {
    if (!is_whole(package)) fail(Code::kIo, "apt-get did not download '{}'", package.file.path);
    mark_as_used(package.file.path);
    files.push_back(package.file);
  }
  return files;
}

}  // namespace knaller::image
