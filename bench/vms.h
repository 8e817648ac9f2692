// The VMs that are measured: knaller's own verbs, timed, compared with the raw engine doing the same work.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "figures.h"
#include "knaller/manager.h"

namespace knaller::bench {

struct Engine {
  std::string name;  // "fake", "firecracker", "qemu"
  EngineChoice choice;
  std::string binary;
  bool fake = false;
  int pairs = 15;
};

// What all measurements share. `scratch` is emptied at the end.
struct Setting {
  std::string home;
  std::string scratch;
  std::string programs;  // the build's bin folder
};

inline constexpr uint64_t kMemoryMib = 512;  // of every guest that is measured

// The guest of what needs one that runs, or no memory: `tiny`. And a start that does not wait for it.
VmOptions tiny_vm(const std::string& name, const Engine& engine, NetworkMode network);
StartOptions no_wait();

// knaller's own share of a start and of a restore: its wall time less the raw engine's.
void measure_start(const Setting& setting, const Engine& engine, NetworkMode network,
                   std::vector<Figure>& figures);
void measure_restore(const Setting& setting, const Engine& engine, NetworkMode network,
                     std::vector<Figure>& figures);

// The monitors' private memory with ten VMs, and `knaller ls` of them and a hundred stopped ones.
void measure_many(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

// The image `tiny`, made anew, and its first boot to the SSH server, by phase.
void measure_image(const Setting& setting, std::vector<Figure>& figures);
void measure_boot(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

// How much longer `knaller version` takes than `true`.
void measure_command(const Setting& setting, std::vector<Figure>& figures);

}  // namespace knaller::bench
