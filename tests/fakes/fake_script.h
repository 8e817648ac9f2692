// What a test wants the fake engine to do wrong, and how its guest behaves: a JSON document, given by the
// option --script or by the environment variable FAKE_FIRECRACKER_SCRIPT, as a file's path or (when it starts
// with a brace) as it stands. A jail passes on neither, so a copy of the program may also carry its script:
// appended to the file, after "\n--fake-script--\n".
//
//   {"version": "1.16.1", "state_version": "10.0.0",
//    "guest": {"ready_ms": 5, "ready": "knaller: ready\n", "boot": "text at the start",
//              "on_ctrl_alt_del": "reboot", "loud": false, "tick_ms": 0},
//    "rules": [{"method": "PUT", "path": "/snapshot/create", "nth": 2, "delay_ms": 50,
//               "status": 400, "body": "…",
//               "die": "before|unanswered|after", "exit_code": 1, "hang": "before|after",
//               "truncate": 20, "write_short": 20, "garbage": "SSH-2.0", "twice": true, "fill": "filler",
//               "swap": "new-memory", "swap_for": "fifo|link|directory|short|absent",
//               "late_frame": true, "late_write": true}]}
//
// on_ctrl_alt_del: "reboot" and "poweroff" print what a guest of knaller's images prints and end the engine
// (status 0), "panic" prints a kernel panic and does, too; "halt" prints a kernel's last words and does
// nothing from then on, "claim" only prints them, "hesitate" powers off when it comes again, "ignore" does
// nothing. loud: once it runs, the engine does nothing but write the boot text, as fast as it can. tick_ms:
// the running guest counts in its memory and on its disk. A rule without path, method or nth fits every one;
// the first that fits is used. `nth` counts from 1, per rule.
// "delay_ms" waits before the request is carried out. "status"/"body" answer without carrying it out.
// "truncate" sends so many bytes of the answer and closes, "write_short" sends them and stays silent,
// "garbage" is sent instead of the answer, "twice" sends it twice. "fill" names a file that is written,
// before the request is carried out, until the disk is full. "swap" names a file that is exchanged, before
// the answer, for a fifo, a link to /etc/passwd, a directory, its own first page, or nothing. "late_frame"
// and "late_write" are work for the guest that was left until the request was carried out: a frame is taken
// from the network device, the disk is written to.
#ifndef KNALLER_TESTS_FAKES_FAKE_SCRIPT_H_
#define KNALLER_TESTS_FAKES_FAKE_SCRIPT_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "firecracker/server.h"

namespace knaller::fake {

struct Rule {
  std::string method;
  std::string path;
  int nth = 0;  // 0: every one
  std::chrono::milliseconds delay{0};
  std::optional<int> status = std::nullopt;
  std::string body;
  std::string die;
  int exit_code = 1;
  std::string hang;
  std::optional<size_t> truncate = std::nullopt;
  std::optional<size_t> write_short = std::nullopt;
  std::string garbage;
  bool twice = false;
  std::string fill;
  std::string swap;
  std::string swap_for;
  bool late_frame = false;
  bool late_write = false;

  int seen = 0;
};

struct Guest {
  std::chrono::milliseconds ready_after{5};
  std::string ready = "knaller: ready\n";
  std::string boot = "[    0.000000] Linux version 6.1.0 (fake)\n";
  std::string on_ctrl_alt_del = "reboot";
  std::chrono::milliseconds tick{0};
  bool loud = false;
};

struct Script {
  std::string version = "1.16.1";
  std::string state_version = "10.0.0";  // what --snapshot-version says
  Guest guest;
  std::vector<Rule> rules;

  // The rule for this request; counts it.
  Rule* match(const firecracker::HttpRequest& request);
};

// Throws kInvalidArgument.
Script parse_script(const std::string& text);
// From the option's value, else from the environment, else what this program carries, else the empty script.
Script load_script(const std::string& option);

}  // namespace knaller::fake

#endif  // KNALLER_TESTS_FAKES_FAKE_SCRIPT_H_
