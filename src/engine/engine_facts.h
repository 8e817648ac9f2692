// What an engine's program says about itself, and what it needs from the host. It takes milliseconds to find
// out and seldom changes: remember it by identity_of_engine().
#ifndef KNALLER_ENGINE_ENGINE_FACTS_H_
#define KNALLER_ENGINE_ENGINE_FACTS_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "engine/host.h"
#include "firecracker/version.h"
#include "store/engine_type.h"

namespace knaller {
class JsonReader;
}

namespace knaller::engine {

class EngineFamily;

struct EngineFacts {
  store::EngineType type = store::EngineType::kFirecracker;
  firecracker::Version version;    // of Firecracker, or of the Firecracker whose API it serves
  std::string state_version;       // of the states that it writes, "10.0.0"; empty when it does not say
  std::string backend_version;     // of the program that it runs guests on, if that is another: "7.2.22"
  std::vector<std::string> files;  // engine_files()
};

// Runs the program. kUnsupported when it is not an engine or is too old.
EngineFacts ask_engine(const std::string& binary, const Deadline& deadline);

// What it needs from the host besides its own program: absolute paths of files and folders, sorted.
std::vector<std::string> engine_files(const std::string& binary, const EngineFamily& family,
                                      const Deadline& deadline);

// Changes with the program's file, with the host's libraries, and for every engine with the programs that any
// family runs guests on: only the program itself says which family it belongs to.
std::string identity_of_engine(const std::string& binary, const Host& host = {});

nlohmann::json facts_to_json(const EngineFacts& facts);
EngineFacts facts_from_json(const JsonReader& reader);  // throws for anything else

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_ENGINE_FACTS_H_
