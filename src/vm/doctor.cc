#include "vm/doctor.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/free_space.h"
#include "base/group_place.h"
#include "base/kernel_calls.h"
#include "base/process.h"
#include "base/rename.h"
#include "base/text.h"
#include "engine/check_row.h"
#include "engine/engine_family.h"
#include "net/name_servers.h"
#include "net/tun.h"
#include "vm/home/engine.h"
#include "vm/snapshots/capture_check.h"

namespace knaller::vm {
namespace {

using engine::doubtful;
using engine::failed;
using engine::passed;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}

std::string first_line(const std::string& text) {
  return std::string(trim(split(text, '\n').front()));
}

CheckRow check_choice(const Context& context, const EngineChoice& choice) {
  try {
    const Engine engine = choose_engine(context, choice, soon());
    return passed("engine", fmt::format("{} {} would be used: {}", store::to_text(engine.type),
                                        engine.version.text(), engine.reason));
  } catch (const Error& error) {
    return failed("engine", error.what(), error.hint());
  }
}

// By an option that is younger than the mending: Debian's says "unknown version".
bool is_old_pasta(const std::string& binary) {
  const ProgramOutput output = run_program({.argv = {binary, "--help"}}, soon());
  return (output.out + output.err).find("--map-host-loopback") == std::string::npos;
}

CheckRow check_pasta(const std::string& pasta) {
  const std::string binary = find_program(pasta.empty() ? "pasta" : pasta);
  if (binary.empty())
    return failed("pasta", "it is not on PATH: VMs have no network without it", "sudo apt install passt");
  const ProgramOutput output = run_program({.argv = {binary, "--version"}}, soon());
  if (!output.status.success())
    return failed("pasta", fmt::format("{}: {}", binary, output.status.describe()),
                  "sudo apt install --reinstall passt");
  const std::string version = output.out.empty() ? binary : first_line(output.out);
  if (is_old_pasta(binary))
    return doubtful(
        "pasta",
        version +
            ": as old as Debian 12's, which resets a connection that waits longer than some "
            "20 s for an answer",
        "take a newer one, of Debian 13 for example: knaller start --pasta FILE, or KNALLER_PASTA");
  return passed("pasta", version);
}

// Without one, names mean nothing to a guest.
CheckRow check_name_servers() {
  net::NameServers servers;
  std::string known;
  for (const net::NameServer& server : servers.now()) known += (known.empty() ? "" : ", ") + server.text;
  if (!known.empty()) return passed("name servers", "guests ask the host's: " + known);
  return doubtful("name servers", "/etc/resolv.conf names none: guests can look up no names",
                  "add a line 'nameserver ADDRESS' to /etc/resolv.conf; VMs that run take it at once");
}

CheckRow check_tun() {
  try {
    net::open_tun();
    return passed("/dev/net/tun", "opens");
  } catch (const Error& error) {
    return failed("/dev/net/tun", error.message(), error.hint());
  }
}

std::string monitor_program(const std::string& libexec) {
  return std::filesystem::weakly_canonical(libexec + "/knaller-monitor");
}

// The real thing, by the program that will do it: what the settings say is not always what happens, and
// AppArmor's answer depends on the program.
bool can_make_namespaces(const std::string& libexec) {
  return run_program({.argv = {monitor_program(libexec), "--try-namespaces"}}, soon()).status.success();
}

// By what the kernel does: its version tells nothing of a container's filter, nor of what a distribution
// brought back.
CheckRow check_kernel() {
  struct utsname name {};
  if (::uname(&name) != 0) fail_errno("ask for the kernel's version");
  const std::vector<KernelCall> missing = missing_kernel_calls();
  if (missing.empty()) return passed("kernel", name.release);
  return failed(
      "kernel", fmt::format("{} does not have {}", name.release, describe(missing)),
      "sudo apt install linux-image-amd64   # then boot it; in a container, allow these calls in its "
      "seccomp profile");
}

std::string sysctl(const std::string& name) {
  return std::string(trim(read_file_if_exists(AT_FDCWD, "/proc/sys/" + name).value_or("")));
}

CheckRow check_namespaces(const std::string& libexec) {
  if (can_make_namespaces(libexec)) return passed("user namespaces", "this user can make them");
  if (sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1")
    return failed("user namespaces", "AppArmor forbids them to programs without a profile",
                  apparmor_remedy(monitor_program(libexec)));
  if (sysctl("kernel/unprivileged_userns_clone") == "0")
    return failed("user namespaces", "the kernel forbids them to ordinary users",
                  "sudo sysctl kernel.unprivileged_userns_clone=1");
  return failed(
      "user namespaces",
      fmt::format("they can't be made (user.max_user_namespaces is {})", sysctl("user/max_user_namespaces")),
      "sudo sysctl user.max_user_namespaces=15000");
}

// The real thing here, too: the folder of the groups is made, and the controllers are handed down to it.
CheckRow check_cgroup() {
  const GroupPlace place = prepare_group_place();
  std::string with;
  for (const std::string& name : place.controllers) with += (with.empty() ? "" : ", ") + name;
  if (place.folder.empty())
    return doubtful(
        "cgroup", fmt::format("VMs run without limits of processor, memory and processes: {}", place.why_not),
        place.remedy);
  const bool enough = place.has("cpu") && place.has("memory") && place.has("pids");
  const std::string detail = fmt::format("VMs get groups in {}, limited by {}", place.folder, with);
  return enough ? passed("cgroup", detail)
                : doubtful("cgroup", fmt::format("{}; {}", detail, place.why_not), place.remedy);
}

constexpr const char* kOtherHome = "export KNALLER_HOME=FOLDER   # on a local file system";

CheckRow check_home(const Context& context) {
  const std::string network = context.home.network_file_system();
  if (network.empty()) return passed("home", fmt::format("{} (on a local file system)", context.home.path()));
  return doubtful(
      "home",
      fmt::format("{} is on {}, whose locks and renames can't be relied on", context.home.path(), network),
      kOtherHome);
}

CheckRow check_renames(const Context& context) {
  if (has_rename_flags(context.home.folder(store::Kind::kVm)))
    return passed("renames", "two names change places in one step");
  return doubtful(
      "renames",
      "the home's file system can't exchange names in one step: a rollback takes three, and if it is killed "
      "between them, the next command completes it",
      kOtherHome);
}

CheckRow check_space(const Context& context) {
  const uint64_t free = free_space(context.home.folder(store::Kind::kVm)).bytes;
  if (free == UINT64_MAX) return passed("free space", "the home's file system does not say");
  constexpr uint64_t kComfortable = uint64_t{2} << 30;
  if (free >= kComfortable) return passed("free space", format_bytes(free));
  return doubtful("free space", fmt::format("only {} are left in knaller's home", format_bytes(free)),
                  "knaller snapshot prune --keep-last 1 --dry-run   # or: export KNALLER_HOME=FOLDER");
}

CheckRow check_reflink(const Context& context) {
  const int dir = context.home.folder(store::Kind::kVm);
  const UniqueFd from(::openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const UniqueFd to(::openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!from || !to) return doubtful("reflink", errno_error(errno, "try it").message(), "");
  write_all(from.get(), "x", "a temporary file");
  if (::ioctl(to.get(), FICLONE, from.get()) == 0)
    return passed("reflink", "disks are cloned without copying");
  return doubtful("reflink", "not on this file system: private disks are copied, holes left out",
                  "export KNALLER_HOME=FOLDER   # on XFS or Btrfs");
}

CheckRow check_linger() {
  if (!exists("/run/systemd/system")) return passed("lingering", "no systemd: VMs live on after logout");
  if (::getuid() == 0) return passed("lingering", "root's VMs live on after logout");
  const passwd* user = ::getpwuid(::getuid());
  const std::string name = user != nullptr ? user->pw_name : std::to_string(::getuid());
  if (exists("/var/lib/systemd/linger/" + name)) return passed("lingering", "on: VMs live on after logout");
  return doubtful("lingering", "off: systemd may end VMs when you log out", "loginctl enable-linger");
}

CheckRow check_image_tools() {
  for (const auto& [program, package] : {std::pair("apt-get", "apt"), std::pair("mke2fs", "e2fsprogs")})
    if (find_program(program).empty() && find_program(std::string("/sbin/") + program).empty())
      return doubtful("image build", fmt::format("there is no '{}'", program),
                      fmt::format("sudo apt install {}", package));
  return passed("image build", "what it needs is there");
}

// How snapshots of this engine's VMs get the guest's memory.
CheckRow check_capture(const Context& context, const EngineChoice& choice) {
  const Engine engine = choose_engine(context, choice, soon());
  const std::string name = fmt::format("{} {}", store::to_text(engine.type), engine.version.text());
  const auto known = remembered_capture_check(context, engine.binary);
  if (!known)
    return passed("snapshots", name + ": not tried yet; the first snapshot tries how memory is best taken");
  if (known->why_not_booted.empty() && known->why_not_restored.empty())
    return passed("snapshots", name + ": memory is read from outside, as tried on this kernel");
  return doubtful(
      "snapshots",
      fmt::format("{}: the engine writes the memory, in a longer pause: {}", name,
                  known->why_not_booted.empty() ? known->why_not_restored : known->why_not_booted),
      "");
}

CheckRow run_check(const std::string& name, const std::function<CheckRow()>& check) {
  try {
    return check();
  } catch (const Error& error) {
    return failed(name, error.what(), error.hint());
  }
}

}  // namespace

// For programs of this path alone; the sysctl would lift the restriction for all of the host's.
std::string apparmor_remedy(const std::string& monitor) {
  std::string pattern;
  for (const char character : monitor) {
    if (std::string_view("*?[]{}^\"\\").find(character) != std::string_view::npos) pattern += '\\';
    pattern += character;
  }
  const std::string file = "/etc/apparmor.d/knaller-monitor";
  const std::string profile =
      fmt::format("profile knaller-monitor \"{}\" flags=(unconfined) {{ userns, }}", pattern);
  return fmt::format("printf '%s\\n' 'abi <abi/4.0>,' {} | sudo tee {} && sudo apparmor_parser -r {}",
                     quoted_for_shell(profile), file, file);
}

std::vector<CheckRow> check_host(const std::string& libexec, const std::string& pasta) {
  const engine::Host host{.libexec = libexec};
  std::vector<CheckRow> rows{run_check("kernel", check_kernel),
                             run_check("KVM", [&] { return engine::kvm_row(host.kvm()); })};
  for (const engine::EngineFamily* family : engine::all_families())
    rows.push_back(run_check(std::string(family->title()), [&] { return family->doctor_row(host, soon()); }));
  rows.insert(rows.end(),
              {run_check("pasta", [&] { return check_pasta(pasta); }), run_check("/dev/net/tun", check_tun),
               run_check("name servers", check_name_servers),
               run_check("user namespaces", [&] { return check_namespaces(libexec); }),
               run_check("cgroup", check_cgroup), run_check("lingering", check_linger),
               run_check("image build", check_image_tools)});
  return rows;
}

std::vector<CheckRow> check_what_is_there(const Context& context, const EngineChoice& engine) {
  return {
      run_check("home", [&] { return check_home(context); }),
      run_check("renames", [&] { return check_renames(context); }),
      run_check("free space", [&] { return check_space(context); }),
      run_check("reflink", [&] { return check_reflink(context); }),
      run_check("engine", [&] { return check_choice(context, engine); }),
      run_check("snapshots", [&] { return check_capture(context, engine); }),
  };
}

CheckRow home_unusable(const Error& error) {
  return failed("home", error.what(), error.hint().empty() ? kOtherHome : error.hint());
}

}  // namespace knaller::vm
