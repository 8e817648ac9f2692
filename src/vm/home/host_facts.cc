#include "vm/home/host_facts.h"

#include <fcntl.h>
#include <sys/utsname.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/tsc.h"
#include "store/layout.h"
#include "store/vm_record.h"

namespace knaller::vm {
namespace {

constexpr size_t kMostEngines = 32;

struct KnownEngine {
  std::string path;
  std::string identity;
  engine::EngineFacts facts;
};

struct Facts {
  std::vector<KnownEngine> engines;
  std::string boot_id;
  uint64_t tsc_khz = 0;  // of the boot
};

std::string facts_path(const Context& context) {
  return context.home.path() + "/" + layout::kFacts;
}

Facts parse_facts(const std::string& text) {
  Facts facts;
  const Json json = parse_json(text, layout::kFacts);
  const JsonReader reader(json, layout::kFacts);
  facts.boot_id = reader.string_or("boot_id", "");
  facts.tsc_khz = static_cast<uint64_t>(reader.integer_or("tsc_khz", 0, 0, INT64_MAX));
  for (const Json& item : reader.array("engines")) {
    const JsonReader engine(item, layout::kFacts);
    facts.engines.push_back(
        {engine.string("path"), engine.string("identity"), engine::facts_from_json(engine)});
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
  for (const KnownEngine& engine : facts.engines) {
    Json entry = engine::facts_to_json(engine.facts);
    entry["path"] = engine.path;
    entry["identity"] = engine.identity;
    engines.push_back(std::move(entry));
  }
  const Json json{{"boot_id", facts.boot_id}, {"tsc_khz", facts.tsc_khz}, {"engines", std::move(engines)}};
  try {
    write_file_atomically(AT_FDCWD, facts_path(context), dump_json(json, 2) + "\n", Durability::kNoSync);
  } catch (const Error&) {
    // On a full disk everything works as without it, slower.
  }
}

}  // namespace

engine::EngineFacts engine_facts(const Context& context, const std::string& binary,
                                 const Deadline& deadline) {
  const std::string identity = engine::identity_of_engine(binary);
  Facts facts = load_facts(context);
  for (const KnownEngine& known : facts.engines)
    if (known.path == binary && known.identity == identity) return known.facts;
  engine::EngineFacts found = engine::ask_engine(binary, deadline);
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
