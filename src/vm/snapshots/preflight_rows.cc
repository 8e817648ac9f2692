#include "vm/snapshots/preflight_rows.h"

#include <fmt/format.h>

#include "base/text.h"
#include "engine/check_row.h"

namespace knaller::vm {
namespace {

using engine::doubtful;
using engine::judged;
using engine::passed;
using engine::refused;

std::string joined(const std::vector<std::string>& words, size_t most) {
  std::string text;
  for (size_t i = 0; i < words.size() && i < most; ++i) text += (i == 0 ? "" : " ") + words[i];
  return words.size() > most ? text + fmt::format(" and {} more", words.size() - most) : text;
}

std::string percent(uint64_t part, uint64_t whole) {
  return fmt::format("{:.2g} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

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
  // What KVM calls the same is 250 parts in a million; what emulation does, one in a hundred.
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

CheckRow space_row(const FreeSpace& space, uint64_t needed) {
  const std::string name = "disk space";
  const std::string detail =
      fmt::format("{} available, its disk's copy takes {}", format_bytes(space.bytes), format_bytes(needed));
  switch (room_for(space, needed)) {
    case Room::kEnough:
      return passed(name, detail);
    case Room::kIfShared:
      return doubtful(name, detail + " unless the file system shares it");
    case Room::kTooLittle:
      break;
  }
  return refused(name, Code::kExhausted, detail, "free some, or set KNALLER_HOME to a folder with more");
}

}  // namespace knaller::vm
