#include "engine/engine_facts.h"

#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "engine/engine_family.h"
#include "engine/program_files.h"

namespace knaller::engine {
namespace {

constexpr std::chrono::seconds kAnswerTime{5};
constexpr char kLibraries[] = "/etc/ld.so.cache";

// "v10.0.0" in the first line; other lines are the engine's log.
std::string ask_state_version(const std::string& binary, const Deadline& deadline) {
  const ProgramOutput output = run_program({.argv = {binary, "--snapshot-version"}}, deadline);
  const std::string line = output.out.substr(0, output.out.find('\n'));
  const bool fits = output.status.success() && line.starts_with('v') && line.size() < 100 &&
                    line.find_first_not_of("0123456789.", 1) == std::string::npos;
  return fits ? line.substr(1) : "";
}

std::string identity_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail_errno("look at '{}'", path);
  return fmt::format("{}:{}:{}:{}.{:09}:{}.{:09}", info.st_dev, info.st_ino, info.st_size,
                     info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

std::vector<std::string> texts_in(const Json& array) {
  std::vector<std::string> texts;
  for (const Json& item : array)
    if (item.is_string()) texts.push_back(item.get<std::string>());
  return texts;
}

}  // namespace

EngineFacts ask_engine(const std::string& binary, const Deadline& deadline) {
  const Deadline limit = deadline.sooner(kAnswerTime);
  const std::string said = run_checked({.argv = {binary, "--version"}}, limit);
  const EngineFamily& family = family_that_said(said);
  EngineFacts facts = family.facts_in(said, binary);
  facts.state_version = ask_state_version(binary, limit);
  facts.files = engine_files(binary, family, limit);
  return facts;
}

std::vector<std::string> engine_files(const std::string& binary, const EngineFamily& family,
                                      const Deadline& deadline) {
  ProgramFiles files(deadline);
  files.add_needs_of(binary);
  family.add_files(files);
  return files.sorted();
}

std::string identity_of_engine(const std::string& binary, const Host& host) {
  std::string identity = identity_of(binary);
  for (const EngineFamily* family : all_families())
    if (const std::string backend = family->backend(host); !backend.empty())
      identity += "+" + identity_of(backend);
  if (exists(kLibraries)) identity += "+" + identity_of(kLibraries);
  return identity;
}

Json facts_to_json(const EngineFacts& facts) {
  return {{"kind", store::to_text(facts.type)},
          {"version", facts.version.text()},
          {"state_version", facts.state_version},
          {"qemu_version", facts.backend_version},
          {"files", facts.files}};
}

EngineFacts facts_from_json(const JsonReader& reader) {
  return {.type = store::engine_type_from_text(reader.string("kind"), "facts.json"),
          .version = firecracker::parse_version(reader.string("version")),
          .state_version = reader.string("state_version"),
          .backend_version = reader.string("qemu_version"),
          .files = texts_in(reader.array("files"))};
}

}  // namespace knaller::engine
