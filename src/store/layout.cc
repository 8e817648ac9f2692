#include "store/layout.h"

#include <algorithm>
#include <vector>

namespace knaller::layout {
namespace {

// clang-format off
constexpr File kFiles[] = {
    {Place::kInVm, kVmRecord,      Writer::kCommand, Access::kPrivate},
    {Place::kInVm, kAlive,         Writer::kCommand, Access::kPrivate},
    {Place::kInVm, kParts,         Writer::kCommand, Access::kFolder},
    {Place::kInVm, kJail,          Writer::kCommand, Access::kFolder},
    {Place::kInVm, kSshKey,        Writer::kCommand, Access::kPrivate},
    {Place::kInVm, kKnownHosts,    Writer::kCommand, Access::kPrivate},
    {Place::kInVm, kPartDigests,   Writer::kCommand, Access::kPrivate},
    {Place::kInVm, kMonitorSocket, Writer::kMonitor, Access::kPrivate, Leftover::kOfTheDead},
    {Place::kInVm, kExitRecord,    Writer::kMonitor, Access::kPrivate},
    {Place::kInVm, kExitReserve,   Writer::kMonitor, Access::kPrivate},
    {Place::kInVm, kConsoleLog,    Writer::kMonitor, Access::kPrivate},
    {Place::kInVm, kEngineLog,     Writer::kMonitor, Access::kPrivate},
    {Place::kInVm, kEvents,        Writer::kMonitor, Access::kPrivate},

    {Place::kInParts, kKernel},
    {Place::kInParts, kInitrd},
    {Place::kInParts, kBase},
    {Place::kInParts, kMemory},
    {Place::kInParts, kState},

    {Place::kInJail, kKernel,       Writer::kCommand, Access::kEngines},
    {Place::kInJail, kInitrd,       Writer::kCommand, Access::kEngines},
    {Place::kInJail, kBase,         Writer::kCommand, Access::kEngines},
    {Place::kInJail, kParentMemory, Writer::kCommand, Access::kEngines},
    {Place::kInJail, kParentState,  Writer::kCommand, Access::kEngines},
    {Place::kInJail, kDisk,         Writer::kEngine,  Access::kEngines},
    {Place::kInJail, kRootfs,       Writer::kEngine,  Access::kEngines},
    {Place::kInJail, kApiSocket,    Writer::kEngine,  Access::kEngines, Leftover::kOfTheDead},
    {Place::kInJail, kVsockSocket,  Writer::kEngine,  Access::kEngines, Leftover::kOfTheDead},
    {Place::kInJail, kEngineFifo,   Writer::kMonitor, Access::kEngines, Leftover::kOfTheDead},
    {Place::kInJail, kNewMemory,    Writer::kEngine,  Access::kEngines, Leftover::kOfACapture},
    {Place::kInJail, kNewState,     Writer::kEngine,  Access::kEngines, Leftover::kOfACapture},

    {Place::kInSnapshot, kManifest, Writer::kCommand, Access::kPrivate},
    {Place::kInSnapshot, kLabels,   Writer::kCommand, Access::kPrivate},
    {Place::kInSnapshot, kMetadata, Writer::kCommand, Access::kPrivate,   Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kSshKey,   Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kKernel,   Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kInitrd,   Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kBase,     Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kDisk,     Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kRootfs,   Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kMemory,   Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},
    {Place::kInSnapshot, kState,    Writer::kCommand, Access::kImmutable, Leftover::kNever, Digest::kInManifest},

    {Place::kInImage, kImageRecord, Writer::kCommand, Access::kPrivate},
    {Place::kInImage, kKernel},
    {Place::kInImage, kInitrd},
    {Place::kInImage, kBase},
    {Place::kInImage, kDisk},
    {Place::kInImage, kRootfs},
    {Place::kInImage, kWork,        Writer::kCommand, Access::kFolder, Leftover::kOfAnUnmade},
};
// clang-format on

}  // namespace

std::span<const File> files() {
  return kFiles;
}

const File* find(Place place, std::string_view name) {
  const auto* found = std::find_if(std::begin(kFiles), std::end(kFiles), [&](const File& file) {
    return file.place == place && file.name == name;
  });
  return found == std::end(kFiles) ? nullptr : found;
}

// A snapshot may have files of its owner's (SnapshotOptions::while_paused), a VM's directory rotated logs.
Access access_of(Place place, std::string_view name) {
  if (const File* file = find(place, name)) return file->access;
  switch (place) {
    case Place::kInVm:
      return Access::kPrivate;
    case Place::kInJail:
      return Access::kEngines;
    case Place::kInParts:
    case Place::kInSnapshot:
    case Place::kInImage:
      break;
  }
  return Access::kImmutable;
}

std::vector<std::string> leftovers(Place place, Leftover when) {
  std::vector<std::string> names;
  for (const File& file : kFiles)
    if (file.place == place && file.leftover == when) names.emplace_back(file.name);
  return names;
}

bool comes_from_image(std::string_view name) {
  return find(Place::kInImage, name) != nullptr && find(Place::kInParts, name) != nullptr;
}

bool is_monitors_write(Place place, std::string_view name) {
  if (!name.starts_with('.')) return false;
  const std::string_view rest = name.substr(1);
  return std::any_of(std::begin(kFiles), std::end(kFiles), [&](const File& file) {
    return file.place == place && file.writer == Writer::kMonitor && rest.starts_with(file.name) &&
           rest.substr(file.name.size()).starts_with('.');
  });
}

std::string older_part(std::string_view log) {
  return std::string(log).append(".1");
}

std::string in_parts(std::string_view name) {
  return std::string(kParts).append("/").append(name);
}

std::string in_jail(std::string_view name) {
  return std::string(kJail).append("/").append(name);
}

std::string staged_name(std::string_view name) {
  return std::string(kNewPrefix).append(name);
}

std::string name_in_hidden(std::string_view entry) {
  for (const std::string_view prefix : kHiddenPrefixes)
    if (entry.starts_with(prefix)) return std::string(entry.substr(prefix.size()));
  return {};
}

}  // namespace knaller::layout
