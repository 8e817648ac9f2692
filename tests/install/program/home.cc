#include "home.h"

size_t count_everything(knaller::Manager& manager) {
  return manager.list().size() + manager.list_snapshots().size();
}

std::string ask_for(knaller::Manager& manager, const std::string& name) {
  try {
    return manager.inspect(name).name;
  } catch (const knaller::Error& error) {
    return std::string(knaller::to_string(error.code())) + ": " + error.what();
  }
}
