#include "store/machine.h"

#include "base/json.h"
#include "store/fields.h"
#include "store/limits.h"

namespace knaller::store {

void add_machine(Json& object, const Machine& m) {
  object["vcpus"] = m.vcpus;
  object["mem_size_mib"] = m.memory_mib;
  object["boot_args"] = m.boot_args;
  object["has_base"] = m.has_base;
  object["has_initrd"] = m.has_initrd;
  object["on_reboot"] = to_text(m.on_reboot);
  object["image"] = m.image;
  object["guest_protocol"] = m.guest_protocol;
  object["has_ssh"] = m.has_ssh;
  object["network"] = to_text(m.network);
  object["network_device"] = m.network_device;
  object["agent"] = m.has_agent;
  object["ports"] = ports_to_json(m.ports);
  object["egress"] = egress_to_json(m.egress);
  // Records of before there were limits have none.
  if (m.limits != Limits{}) object["limits"] = limits_to_json(m.limits);
  object["network_of"] = m.network_of;
  object["engine"] = to_text(m.engine);
  object["engine_version"] = m.engine_version;
  object["state_version"] = m.state_version;
}

void read_basic_machine(const JsonReader& reader, const std::string& what, Machine& m) {
  m.vcpus = static_cast<uint32_t>(reader.integer("vcpus", 0, kMostVcpus));
  m.memory_mib = static_cast<uint64_t>(reader.integer("mem_size_mib", 0, kMostMemoryMib));
  if (reader.has("ports")) m.ports = ports_from_json(reader.array("ports"), what);
}

void read_machine(const JsonReader& reader, const std::string& what, Machine& m) {
  read_basic_machine(reader, what, m);
  m.boot_args = reader.string_or("boot_args", "");
  m.has_base = reader.boolean_or("has_base", false);
  m.has_initrd = reader.boolean_or("has_initrd", false);
  m.on_reboot = on_reboot_from_text(reader.string_or("on_reboot", "restart"), what);
  m.image = reader.string_or("image", "");
  m.guest_protocol = static_cast<int>(reader.integer_or("guest_protocol", 0, 0, 1000));
  m.has_ssh = reader.boolean_or("has_ssh", false);
  m.network = network_from_text(reader.string_or("network", "rootless"), what);
  m.network_device = reader.boolean_or("network_device", m.network != NetworkMode::kNone);
  m.has_agent = reader.boolean_or("agent", false);
  if (reader.has("egress")) m.egress = egress_from_json(reader.object("egress"), what + ": egress");
  if (reader.has("limits")) m.limits = limits_from_json(reader.object("limits"), what + ": limits");
  m.network_of = reader.string_or("network_of", "");
  m.engine = engine_type_from_text(reader.string("engine"), what);
  m.engine_version = reader.string_or("engine_version", "");
  m.state_version = reader.string_or("state_version", "");
}

}  // namespace knaller::store
