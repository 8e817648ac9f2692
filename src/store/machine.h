// What a VM and a snapshot of it have in common: the machine, its guest, its network and its engine. Written
// with the same members into vm.json and metadata.json.
#ifndef KNALLER_STORE_MACHINE_H_
#define KNALLER_STORE_MACHINE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "knaller/types.h"
#include "store/engine_type.h"

namespace knaller {
class JsonReader;
}

namespace knaller::store {

struct Machine {
  uint32_t vcpus = 1;
  uint64_t memory_mib = 1024;
  std::string boot_args;  // whole, as the engine gets it; empty: it can't be booted cold
  bool has_base = false;  // base.ext4 + disk.ext4 instead of rootfs.ext4
  bool has_initrd = false;
  OnReboot on_reboot = OnReboot::kRestart;

  std::string image;       // name, for people; "" for kernel and rootfs of the user's own
  int guest_protocol = 0;  // of knaller's program in the guest; 0: there is none
  bool has_ssh = false;    // knaller's key is in the guest

  NetworkMode network = NetworkMode::kRootless;
  // The guest has a network device, which its saved state names. A clone may be cut off the network
  // (NetworkMode::kNone) and keep it.
  bool network_device = false;
  // Its guest has an agent, and a network device that leads to it alone, which its saved state names, too.
  bool has_agent = false;
  std::vector<PortForward> ports;  // of a VM as asked for (host 0: leased), of a snapshot as bound
  Egress egress;                   // where the guest may connect to
  Limits limits;                   // what it may take of the host
  std::string
      network_of;  // the Go program's VM name from which TAP, MAC and addresses derive; "" for knaller's own

  EngineType engine = EngineType::kFirecracker;
  std::string engine_version;
  std::string state_version;  // of the state that it writes, as the engine calls it: "10.0.0"; may be empty
};

// Adds the machine's members to `object`.
void add_machine(nlohmann::json& object, const Machine& machine);
// Reads those that the Go program writes too: vcpus, mem_size_mib, ports.
void read_basic_machine(const JsonReader& reader, const std::string& what, Machine& machine);
// Reads all of them.
void read_machine(const JsonReader& reader, const std::string& what, Machine& machine);

}  // namespace knaller::store

#endif  // KNALLER_STORE_MACHINE_H_
