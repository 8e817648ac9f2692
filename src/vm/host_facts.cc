#include "vm/host_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "base/tsc.h"
#include "firecracker/version.h"
#include "monitor/engine_files.h"
#include "store/vm_record.h"

namespace knaller::vm {
namespace {

constexpr size_t kMostEngines = 32;
constexpr std::chrono::seconds kAnswerTime{5};

struct KnownEngine {
  std::string path;
  std::string identity;
  EngineFacts facts;
};

struct Facts {
  std::vector<KnownEngine> engines;
  std::string boot_id;
  uint64_t tsc_khz = 0;  // of the boot
};

std::string facts_path(const Context& context) {
  return context.home.path() + "/facts.json";
}

std::vector<std::string> texts_in(const Json& array) {
  std::vector<std::string> texts;
  for (const Json& item : array)
    if (item.is_string()) texts.push_back(item.get<std::string>());
  return texts;
}

Facts parse_facts(const std::string& text) {
  Facts facts;
  const Json json = parse_json(text, "facts.json");
  const JsonReader reader(json, "facts.json");
  facts.boot_id = reader.string_or("boot_id", "");
  facts.tsc_khz = static_cast<uint64_t>(reader.integer_or("tsc_khz", 0, 0, INT64_MAX));
  for (const Json& item : reader.array("engines")) {
    const JsonReader engine(item, "facts.json");
    facts.engines.push_back({engine.string("path"),
                             engine.string("identity"),
                             {engine.string("kind"), engine.string("version"), engine.string("state_version"),
                              engine.string("qemu_version"), texts_in(engine.array("files"))}});
  }
  return facts;
}

// Whatever is wrong with it, what it says can be found out again.
Facts load_facts(const Context& context) {
  try {
    const auto text = read_file_if_exists(AT_FDCWD, facts_path(context));
    return text ? parse_facts(*text) : Facts{};
  } catch (const Error&) {
    return {};
  }
}

void save_facts(const Context& context, const Facts& facts) {
  Json engines = Json::array();
  for (const KnownEngine& engine : facts.engines)
    engines.push_back({{"path", engine.path},
                       {"identity", engine.identity},
                       {"kind", engine.facts.kind},
                       {"version", engine.facts.version},
                       {"state_version", engine.facts.state_version},
                       {"qemu_version", engine.facts.qemu_version},
                       {"files", engine.facts.files}});
  const Json json{{"boot_id", facts.boot_id}, {"tsc_khz", facts.tsc_khz}, {"engines", std::move(engines)}};
  try {
    write_file_atomically(AT_FDCWD, facts_path(context), dump_json(json, 2) + "\n", Durability::kNoSync);
  } catch (const Error&) {
    // On a full disk everything works as without it, slower.
  }
}

std::string identity_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail_errno("look at '{}'", path);
  return fmt::format("{}:{}:{}:{}.{:09}:{}.{:09}", info.st_dev, info.st_ino, info.st_size,
                     info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

// "knaller 0.1.0: the API of Firecracker 1.16.1 on QEMU 7.2.22"
std::string qemu_version_in(const std::string& output) {
  const std::string before = " on QEMU ";
  const size_t found = output.find(before);
  if (found == std::string::npos) return {};
  const std::string rest = output.substr(found + before.size());
  return rest.substr(0, rest.find_first_of(" \n"));
}

// "v10.0.0" in the first line; other lines are the engine's log.
std::string ask_state_version(const std::string& binary, const Deadline& deadline) {
  const ProgramOutput output = run_program({.argv = {binary, "--snapshot-version"}}, deadline);
  const std::string line = output.out.substr(0, output.out.find('\n'));
  const bool fits = output.status.success() && line.starts_with('v') && line.size() < 100 &&
                    line.find_first_not_of("0123456789.", 1) == std::string::npos;
  return fits ? line.substr(1) : "";
}

EngineFacts ask_engine(const std::string& binary, const Deadline& deadline) {
  const Deadline limit = deadline.sooner(kAnswerTime);
  const std::string said = run_checked({.argv = {binary, "--version"}}, limit);
  EngineFacts facts;
  facts.version = firecracker::version_in(said, binary).text();
  facts.kind = said.starts_with("knaller-qemu") ? "qemu" : "firecracker";
  if (facts.kind == "qemu") facts.qemu_version = qemu_version_in(said);
  facts.state_version = ask_state_version(binary, limit);
  facts.files = monitor::engine_files(binary, facts.kind == "qemu", limit);
  return facts;
}

}  // namespace

std::string identity_of_engine(const std::string& binary) {
  std::string identity = identity_of(binary);
  const std::string libraries = "/etc/ld.so.cache";
  for (const std::string& path : {find_program("qemu-system-x86_64"), exists(libraries) ? libraries : ""})
    if (!path.empty()) identity += "+" + identity_of(path);
  return identity;
}

EngineFacts engine_facts(const Context& context, const std::string& binary, const Deadline& deadline) {
  const std::string identity = identity_of_engine(binary);
  Facts facts = load_facts(context);
  for (const KnownEngine& known : facts.engines)
    if (known.path == binary && known.identity == identity) return known.facts;
  EngineFacts found = ask_engine(binary, deadline);
  std::erase_if(facts.engines, [&](const KnownEngine& known) { return known.path == binary; });
  if (facts.engines.size() >= kMostEngines) facts.engines.erase(facts.engines.begin());
  facts.engines.push_back({binary, identity, found});
  save_facts(context, facts);
  return found;
}

uint64_t host_tsc_khz(const Context& context) {
  Facts facts = load_facts(context);
  const std::string boot_id = store::host_boot_id();
  if (facts.boot_id == boot_id && facts.tsc_khz != 0) return facts.tsc_khz;
  facts.boot_id = boot_id;
  facts.tsc_khz = TscMeter().khz();
  save_facts(context, facts);
  return facts.tsc_khz;
}

void describe_host(const Context& context, store::SnapshotRecord& record) {
  struct utsname name {};
  if (::uname(&name) != 0) fail_errno("ask for the kernel's version");
  record.cpu = store::host_cpu();
  record.kernel = name.release;
  record.tsc_khz = host_tsc_khz(context);
}

}  // namespace knaller::vm
