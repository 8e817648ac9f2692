#include "guest/signals.h"

#include <array>
#include <csignal>
#include <utility>

namespace knaller::guest {
namespace {

// RFC 4254, 6.10.
constexpr std::array<std::pair<std::string_view, int>, 13> kNames{{{"ABRT", SIGABRT},
                                                                   {"ALRM", SIGALRM},
                                                                   {"FPE", SIGFPE},
                                                                   {"HUP", SIGHUP},
                                                                   {"ILL", SIGILL},
                                                                   {"INT", SIGINT},
                                                                   {"KILL", SIGKILL},
                                                                   {"PIPE", SIGPIPE},
                                                                   {"QUIT", SIGQUIT},
                                                                   {"SEGV", SIGSEGV},
                                                                   {"TERM", SIGTERM},
                                                                   {"USR1", SIGUSR1},
                                                                   {"USR2", SIGUSR2}}};
constexpr std::array<std::pair<std::string_view, int>, 3> kMoreNames{
    {{"BUS", SIGBUS}, {"SYS", SIGSYS}, {"TRAP", SIGTRAP}}};

}  // namespace

std::string_view signal_name(int number) {
  for (const auto& [name, known] : kNames)
    if (known == number) return name;
  return {};
}

std::optional<int> signal_number(std::string_view name) {
  name = name.substr(0, name.find('@'));
  for (const auto& [known, number] : kNames)
    if (known == name) return number;
  for (const auto& [known, number] : kMoreNames)
    if (known == name) return number;
  return std::nullopt;
}

}  // namespace knaller::guest
