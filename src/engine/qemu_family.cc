#include "engine/qemu_family.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/kernel_calls.h"
#include "base/process.h"
#include "base/text.h"
#include "engine/check_row.h"
#include "engine/qemu_state_head.h"

namespace knaller::engine {
namespace {

constexpr char kKnallerQemu[] = "knaller-qemu";
constexpr char kBackend[] = "qemu-system-x86_64";
// Below the prefix that QEMU was installed to: firmware, also where links of the first lead, and the
// emulation, which Debian has in a library that QEMU opens by itself.
constexpr const char* kFolders[] = {"share/qemu", "share/seabios"};
constexpr const char* kModules[] = {"lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so",
                                    "lib64/qemu/accel-tcg-x86_64.so", "lib/qemu/accel-tcg-x86_64.so"};

// "7.2" of "7.2.22".
std::string series(const std::string& version) {
  const size_t dot = version.find('.');
  return dot == std::string::npos ? version : version.substr(0, version.find('.', dot + 1));
}

// "knaller 0.1.0: the API of Firecracker 1.16.1 on QEMU 7.2.22"
std::string backend_version_in(std::string_view said) {
  constexpr std::string_view kBefore = " on QEMU ";
  const size_t found = said.find(kBefore);
  if (found == std::string_view::npos) return {};
  const std::string_view rest = said.substr(found + kBefore.size());
  return std::string(rest.substr(0, rest.find_first_of(" \n")));
}

class QemuFamily : public EngineFamily {
 public:
  store::EngineType type() const override { return store::EngineType::kQemu; }
  std::string_view title() const override { return "QEMU"; }

  std::string find(const Host& host, const std::string& path) const override {
    const std::string wanted = path.empty() ? own_program(host) : path;
    std::string found = host.find(wanted);
    if (found.empty())
      throw Error(Code::kNotFound, fmt::format("there is no engine '{}'", wanted),
                  "install knaller completely");
    // It looks in the jail, which shows it the host's /usr, whatever PATH is here.
    if (backend(host).empty() && host.find(fmt::format("/usr/bin/{}", kBackend)).empty())
      throw Error(Code::kNotFound, fmt::format("there is no '{}' to run the VM on", kBackend),
                  "sudo apt install qemu-system-x86   # or choose --engine firecracker");
    require_kernel_calls_of_qemu();
    return found;
  }

  // It is what remains; find() says what is missing.
  Fitness fitness(const Host&) const override { return {.fits = true, .reason = {}}; }

  std::string_view calls_itself() const override { return kKnallerQemu; }

  EngineFacts facts_in(std::string_view said, const std::string& binary) const override {
    return {.type = type(),
            .version = firecracker::version_in(said, binary),
            .state_version = {},
            .backend_version = backend_version_in(said),
            .files = {}};
  }

  std::string backend(const Host& host) const override { return host.find(kBackend); }

  CheckRow doctor_row(const Host& host, const Deadline& deadline) const override {
    const std::string name(title());
    const std::string remedy = "sudo apt install qemu-system-x86";
    if (host.find(own_program(host)).empty())
      return failed(kKnallerQemu, fmt::format("it is not in {}", host.libexec),
                    "cmake --install BUILD   # of knaller's build; or KNALLER_LIBEXEC=FOLDER, where it is");
    const std::string qemu = backend(host);
    if (qemu.empty()) return failed(name, fmt::format("there is no '{}' on PATH", kBackend), remedy);
    const ProgramOutput output = run_program({.argv = {qemu, "--version"}}, deadline);
    if (!output.status.success()) return failed(name, output.status.describe(), remedy);
    if (const auto missing = kernel_calls_missing_for_qemu(); !missing.empty())
      return failed(name, fmt::format("this kernel does not have {}, which it needs", describe(missing)),
                    "in a container, allow it in its seccomp profile");
    return passed(name, std::string(trim(split(output.out, '\n').front())));
  }

  void add_files(ProgramFiles& files) const override {
    const std::string qemu = find_in_jail(kBackend);
    if (qemu.empty()) return;
    files.add(qemu);
    files.add_needs_of(qemu);
    const std::string prefix = std::filesystem::path(qemu).parent_path().parent_path().string();
    for (const char* folder : kFolders)
      if (exists(fmt::format("{}/{}", prefix, folder))) files.add(fmt::format("{}/{}", prefix, folder));
    for (const char* module : kModules) {
      const std::string path = fmt::format("{}/{}", prefix, module);
      if (exists(path)) files.add_opened_library(path, qemu);
    }
  }

  // It emulates where it is not shown any.
  bool is_shown_kvm(const Host& host) const override { return host.kvm().usable; }
  CallFilter call_filter() const override { return CallFilter::kQemu; }
  // QEMU keeps up to 1 GiB of translated code.
  uint64_t overhead_mib() const override { return 1536; }
  // A card of QEMU's is either behind a limiter from its start on or never.
  bool limits_network() const override { return false; }
  bool needs_pvh_kernel() const override { return true; }

  // The state is believed, not the record: it is what will be loaded.
  StateNeeds needs_of(const store::SnapshotRecord&, const std::function<std::string()>& read_state,
                      const EngineFacts& here, const Host& host) const override {
    const QemuOrigin origin = parse_qemu_origin(read_state());
    const bool on_kvm = origin.accelerator == qemu_state::kKvm;
    return {qemu_state_row(origin, here.backend_version, host.kvm().usable),
            on_kvm ? StateNeeds::Processor::kHosts : StateNeeds::Processor::kEmulated, origin.tsc_khz};
  }

  std::string_view where_states_load() const override { return "start it with --engine qemu"; }

 private:
  static std::string own_program(const Host& host) {
    return fmt::format("{}/{}", host.libexec, kKnallerQemu);
  }
};

}  // namespace

const EngineFamily& qemu_family() {
  static const QemuFamily family;
  return family;
}

QemuOrigin parse_qemu_origin(std::string_view state) {
  if (state.size() < qemu_state::kHeadSize || !state.starts_with(qemu_state::kMagic))
    fail(Code::kCorrupt, "'state' was not written by knaller-qemu");
  const uint64_t size = qemu_state::number_in(state.substr(qemu_state::kTextSizeAt));
  if (size > state.size() - qemu_state::kHeadSize) fail(Code::kCorrupt, "'state' is cut short");
  const Json json = parse_json(state.substr(qemu_state::kHeadSize, size), "'state'");
  const JsonReader reader(json, "'state'");
  return {reader.string(qemu_state::kAccelerator), reader.string(qemu_state::kVersion),
          static_cast<uint64_t>(reader.integer(qemu_state::kTscKhz, 0, INT64_MAX))};
}

CheckRow qemu_state_row(const QemuOrigin& there, const std::string& version, bool kvm_usable) {
  const std::string name = "state version";
  if (there.accelerator == qemu_state::kKvm && !kvm_usable)
    return refused(name, Code::kUnsupported, "the state was saved under KVM, which can't be used here",
                   "see `knaller doctor`");
  if (version.empty())
    return doubtful(name, fmt::format("the state is of QEMU {}; the one here does not say which it is",
                                      printable(there.version)));
  const std::string detail =
      fmt::format("the state is of QEMU {}, here is QEMU {}", printable(there.version), version);
  if (series(there.version) == series(version)) return passed(name, detail);
  return refused(name, Code::kUnsupported, detail,
                 fmt::format("start it on a host with QEMU {}", printable(series(there.version))));
}

}  // namespace knaller::engine
