// The one program of knaller's own inside a guest: the initramfs's /init, the image tiny's /sbin/init, and
// /usr/lib/knaller/guest.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "agent/control_link.h"
#include "agent/keeper.h"
#include "agent/server.h"
#include "image/guest/boot.h"
#include "image/guest/disks.h"
#include "image/guest/host_keys.h"
#include "image/guest/network.h"
#include "image/guest/renewal.h"
#include "image/guest/supervise.h"

namespace knaller::guest_helper {
namespace {

constexpr unsigned kSshPort = 22;
constexpr int kReadyWaitMilliseconds = 300'000;
constexpr int kAgentWaitMilliseconds = 2000;

bool read_line(std::string* line) {
  line->clear();
  char c = 0;
  while (line->size() < kMostRequestBytes && read(STDIN_FILENO, &c, 1) == 1) {
    if (c == '\n') return true;
    line->push_back(c);
  }
  return !line->empty() && line->size() < kMostRequestBytes;  // a last line without its newline is a line
}

int renew_command() {
  std::string line;
  RenewRequest request;
  RenewResult result;
  if (!read_line(&line)) {
    result.error = "no request, or one that is too long, on standard input";
  } else if (parse_renew_request(line, &request, &result.error)) {
    result = renew(request);
  }
  const std::string answer = render_renew_result(result);
  std::fputs(answer.c_str(), stdout);
  return std::fflush(stdout) == 0 && result.error.empty() ? 0 : 1;
}

int host_keys_command() {
  std::fputs(host_keys().c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

// The console line that means "an SSH server is listening".
int announce_command() {
  for (int waited = 0; !is_listening(kSshPort); waited += 5) {
    if (waited >= kReadyWaitMilliseconds) {
      std::fputs("\nknaller: no SSH server listens\n", stdout);
      return 1;
    }
    poll(nullptr, 0, 5);
  }
  settle_host_key();
  std::fputs("\nknaller: ready\n", stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

// Waits to be killed, when it is started again (see guest/debian): was the agent killed as well? The kernel
// takes a moment to give its device back.
int agent_command() {
  for (int waited = 0; waited < kAgentWaitMilliseconds; waited += 50) {
    if (knaller::agent::has_control_link()) {
      knaller::agent::leave_agent(knaller::agent::When::kLater);
      break;
    }
    poll(nullptr, 0, 50);
  }
  for (;;) pause();
}

// The last program that systemd-shutdown runs, when everything else is gone (see guest/debian).
int end_command(const char* verb) {
  close_disks();
  if (std::strcmp(verb, "poweroff") == 0 || std::strcmp(verb, "halt") == 0) power_off();
  return 0;
}

// In the file system and the namespaces that this process is in, by a socket that it was given: for tests.
int serve_command(const char* descriptor) {
  return knaller::agent::serve(std::atoi(descriptor), {.root = "", .mounts = ""});
}

}  // namespace
}  // namespace knaller::guest_helper

int main(int argc, char** argv) {
  using namespace knaller::guest_helper;
  if (getpid() == 1 && std::strcmp(argv[0], "/init") == 0) boot();
  if (getpid() == 1) supervise();
  if (argc == 2 && std::strcmp(argv[1], "renew") == 0) return renew_command();
  if (argc == 2 && std::strcmp(argv[1], "host-keys") == 0) return host_keys_command();
  if (argc == 2 && std::strcmp(argv[1], "announce") == 0) return announce_command();
  if (argc == 2 && std::strcmp(argv[1], "agent") == 0) return agent_command();
  if (argc == 3 && std::strcmp(argv[1], "end") == 0) return end_command(argv[2]);
  if (argc == 3 && std::strcmp(argv[1], knaller::agent::kKeepAtBoot) == 0)
    knaller::agent::keep(std::atoi(argv[2]), knaller::agent::When::kAtBoot);
  if (argc == 3 && std::strcmp(argv[1], knaller::agent::kKeepLater) == 0)
    knaller::agent::keep(std::atoi(argv[2]), knaller::agent::When::kLater);
  if (argc == 3 && std::strcmp(argv[1], "serve") == 0) return serve_command(argv[2]);
  std::fputs("usage: guest renew|host-keys|announce|agent|end VERB|serve DESCRIPTOR\n", stderr);
  return 2;
}
