// A VM that is removed when the measurement is over, whatever happened.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

#include "knaller/manager.h"

namespace knaller::bench {

class TemporaryVm {
 public:
  TemporaryVm(Manager& manager, std::string name) : manager_(manager), name_(std::move(name)) {}
  ~TemporaryVm() {
    try {
      manager_.remove(name_, {.force = true});
    } catch (const Error& error) {
      fmt::print(stderr, "remove '{}': {}\n", name_, error.what());
    }
  }
  TemporaryVm(const TemporaryVm&) = delete;
  TemporaryVm& operator=(const TemporaryVm&) = delete;

  std::string directory() const { return manager_.home() + "/vms/" + name_; }

 private:
  Manager& manager_;
  std::string name_;
};

}  // namespace knaller::bench
