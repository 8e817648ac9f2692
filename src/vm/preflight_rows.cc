#include "vm/preflight_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace knaller::vm {
namespace {

using Result = CheckRow::Result;

constexpr std::string_view kQemuMagic("knaller-qemu\0\0\0", 15);
constexpr size_t kQemuHead = 32;

std::string joined(const std::vector<std::string>& words, size_t most) {
  std::string text;
  for (size_t i = 0; i < words.size() && i < most; ++i) text += (i == 0 ? "" : " ") + words[i];
  return words.size() > most ? text + fmt::format(" and {} more", words.size() - most) : text;
}

struct Numbers {
  int64_t major = 0;
  int64_t minor = 0;
};

// Of "10.0.0".
std::optional<Numbers> numbers_of(const std::string& version) {
  const auto parts = split(version, '.');
  if (parts.size() < 2) return std::nullopt;
  const auto major = parse_integer(parts[0], 0, 1 << 20);
  const auto minor = parse_integer(parts[1], 0, 1 << 20);
  if (!major || !minor) return std::nullopt;
  return Numbers{*major, *minor};
}

// "7.2" of "7.2.22".
std::string series(const std::string& version) {
  const size_t dot = version.find('.');
  return dot == std::string::npos ? version : version.substr(0, version.find('.', dot + 1));
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = 8; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

std::string or_unknown(const std::string& version) {
  return version.empty() ? "an unknown version" : printable(version);
}

std::string percent(uint64_t part, uint64_t whole) {
  return fmt::format("{:.2g} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

CheckRow passed(std::string name, std::string detail) {
  return {Result::kOk, std::move(name), std::move(detail), {}};
}
CheckRow doubtful(std::string name, std::string detail, std::string remedy) {
  return {Result::kWarning, std::move(name), std::move(detail), std::move(remedy)};
}
CheckRow refused(std::string name, Code code, std::string detail, std::string remedy) {
  return {Result::kFailed, std::move(name), std::move(detail), std::move(remedy), code};
}
CheckRow judged(std::string name, Code code, std::string detail, std::string remedy) {
  return {Result::kFailed, std::move(name), std::move(detail), std::move(remedy), code, true};
}

CheckRow firecracker_state_row(const StateOrigin& there, const StateOrigin& here) {
  const std::string name = "state version";
  const auto written = numbers_of(there.version);
  const auto read = numbers_of(here.version);
  if (written && read) {
    const std::string detail =
        fmt::format("the state is of version {} (Firecracker {}), Firecracker {} reads {}", there.version,
                    or_unknown(there.engine_version), here.engine_version, here.version);
    if (written->major == read->major && written->minor <= read->minor) return passed(name, detail);
    return refused(name, Code::kUnsupported, detail,
                   fmt::format("--engine PATH of a Firecracker {}", or_unknown(there.engine_version)));
  }
  if (there.engine_version.empty())
    return doubtful(name, "the snapshot does not say which Firecracker wrote it; the engine decides");
  if (there.engine_version == here.engine_version)
    return passed(name, fmt::format("written and read by Firecracker {}", here.engine_version));
  return judged(name, Code::kUnsupported,
                fmt::format("written by Firecracker {}, and whether {} reads it is not known",
                            printable(there.engine_version), here.engine_version),
                fmt::format("--engine PATH of a Firecracker {}", printable(there.engine_version)));
}

QemuOrigin parse_qemu_origin(std::string_view state) {
  if (state.size() < kQemuHead || !state.starts_with(kQemuMagic))
    fail(Code::kCorrupt, "'state' is none of knaller-qemu");
  const uint64_t size = little_endian(state.substr(16, 8));
  if (size > state.size() - kQemuHead) fail(Code::kCorrupt, "'state' is cut short");
  const Json json = parse_json(state.substr(kQemuHead, size), "'state'");
  const JsonReader reader(json, "'state'");
  return {reader.string("accelerator"), reader.string("qemu"),
          static_cast<uint64_t>(reader.integer("tsc_khz", 0, INT64_MAX))};
}

CheckRow qemu_state_row(const QemuOrigin& there, const std::string& version, bool kvm_usable) {
  const std::string name = "state version";
  if (there.accelerator == "kvm" && !kvm_usable)
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

CheckRow cpu_row(const store::CpuIdentity& there, const store::CpuIdentity& here) {
  const std::string name = "CPU";
  const std::string both =
      fmt::format("it was taken on '{}', this host has '{}'", printable(there.name), here.name);
  if (there.vendor != here.vendor)
    return refused(name, Code::kUnsupported, both, "start it on a host with a processor of the same maker");
  const std::vector<std::string> missing = store::missing_features(there, here);
  if (!missing.empty())
    return judged(name, Code::kUnsupported, fmt::format("{}, which lacks {}", both, joined(missing, 6)),
                  "start it on a host with these instructions");
  if (there.family != here.family || there.model != here.model)
    return judged(name, Code::kUnsupported, both, "start it on a host with the same processor model");
  return passed(name, there.features.empty() ? here.name : here.name + ", with the same instructions");
}

CheckRow tsc_row(uint64_t there_khz, uint64_t here_khz, TscUse use) {
  const std::string name = "TSC";
  if (there_khz == 0) return doubtful(name, "the snapshot does not say how fast it ran");
  const uint64_t apart = there_khz > here_khz ? there_khz - here_khz : here_khz - there_khz;
  // What Firecracker and KVM call the same is 250 parts in a million; what knaller-qemu does, one in a
  // hundred.
  const uint64_t most = use == TscUse::kEmulated ? there_khz / 100 : there_khz / 4000;
  const std::string rates =
      fmt::format("{:.1f} MHz there, {:.1f} MHz here", static_cast<double>(there_khz) / 1000,
                  static_cast<double>(here_khz) / 1000);
  if (apart <= most) return passed(name, rates);
  if (use == TscUse::kScaled) return passed(name, rates + "; the processor makes up for it");
  const std::string detail =
      fmt::format("{}: {} apart, the guest's clock would run wrong", rates, percent(apart, there_khz));
  const std::string remedy = "start it on a host whose counter runs alike";
  if (use == TscUse::kEmulated) return refused(name, Code::kUnsupported, detail, remedy);
  return judged(name, Code::kUnsupported, detail, remedy);
}

CheckRow vcpus_row(uint32_t here, uint32_t wanted) {
  const std::string detail = fmt::format("the guest has {}, the host {}", wanted, here);
  return wanted <= here ? passed("CPUs", detail) : doubtful("CPUs", detail + ": they take turns");
}

CheckRow memory_row(uint64_t total, uint64_t available, const MemoryNeed& need) {
  const std::string name = "memory";
  const auto& [touched, whole] = need;
  const std::string free = fmt::format("{} available", format_bytes(available));
  if (whole > total)
    return judged(name, Code::kExhausted,
                  fmt::format("the guest may come to use {}, and the host has {} in all", format_bytes(whole),
                              format_bytes(total)),
                  "start it on a host with more");
  if (available < touched)
    return judged(name, Code::kExhausted,
                  fmt::format("{}, and the guest had touched {} of its {}", free, format_bytes(touched),
                              format_bytes(whole)),
                  "stop another VM");
  if (available < whole)
    return doubtful(name, fmt::format("{}, the guest may come to use {}", free, format_bytes(whole)));
  return passed(name, fmt::format("{}, the guest has {}", free, format_bytes(whole)));
}

CheckRow space_row(uint64_t available, uint64_t needed, bool may_share) {
  const std::string name = "disk space";
  const std::string detail =
      fmt::format("{} available, its disk's copy takes {}", format_bytes(available), format_bytes(needed));
  if (available >= needed) return passed(name, detail);
  if (may_share) return doubtful(name, detail + " unless the file system shares it");
  return refused(name, Code::kExhausted, detail, "free some, or set KNALLER_HOME to a folder with more");
}

}  // namespace knaller::vm
