// A hostile engine: it tries to leave its jail and to harm the host, one attempt after the other, and says on
// its console what became of each. For jail_probe_test.cc; it can be given to `knaller start --engine` as
// well.
//
//   attempt NAME: refused (EPERM)
//   attempt NAME: SUCCEEDED (what it got)
//   attempt NAME: UNCLEAR (EINVAL)         neither: the attempt itself is made wrongly
//   allowed NAME: works | FAILED (ENOENT)  what an engine must be able to do
//   probe: N attempts, M succeeded, U unclear; A allowed, F failed
//
// Attempts are made by bare system calls: C libraries give some up before the kernel has seen them. They do
// the least that shows that they would work: where there is no jail, the host survives them.
#ifndef KNALLER_TESTS_JAIL_PROBE_H_
#define KNALLER_TESTS_JAIL_PROBE_H_

#include <initializer_list>
#include <span>

namespace probe {

struct Options {
  const char* self = "";             // argv[0], in the jail
  bool qemu = false;                 // in the jail of knaller-qemu, which may fork and execute once
  bool as_qemu = false;              // and as QEMU there, which may do less
  bool network = false;              // the VM has one
  bool kvm = true;                   // its engine needs KVM
  const char* host_socket = "";      // a socket of the host's that listens, by its path there
  const char* abstract_socket = "";  // and by its abstract name
  long host_pid = 1;                 // a process outside, by its number there
  int host_port = 1;                 // a TCP port of the host's 127.0.0.1
};
extern Options options;

struct Outcome {
  enum class Kind { kRefused, kSucceeded, kUnclear };
  Kind kind = Kind::kRefused;
  int error = 0;  // 0: `what` says it
  const char* what = "";
};

Outcome succeeded(const char* what);
Outcome refused(const char* what);
// What a call's result says, by errno: EPERM, EACCES, EROFS and ENOSYS refuse; others only if they are named.
Outcome judge(long result, std::initializer_list<int> also = {});
// The same of a descriptor, which is closed.
Outcome judge_open(long fd, std::initializer_list<int> also = {});

// What it takes for the attempt failed, so that there was none. QEMU makes no files and no sockets: to it
// that is a refusal.
Outcome unprepared();

struct Attempt {
  const char* name;
  Outcome (*run)(const Attempt& self);
  long number = 0;
  const char* text = "";
};
using Attempts = std::span<const Attempt>;

// What is done by a process of its own, if the jail allows that, since it may be fatal: the exit code of
// `body`, or minus the number of the signal that killed it, or kNoChild.
inline constexpr int kNoChild = 1000;
int in_child(int (*body)(const Attempt&), const Attempt& attempt);

long open_path(const char* path, int flags, unsigned mode = 0600);
// Up to `size` - 1 bytes of a file, and a NUL; the length, or -1.
long read_text(const char* path, char* text, unsigned size);

Attempts namespaces();
Attempts privileges();
Attempts mounts();
Attempts processes();
Attempts sockets();
Attempts kernel_calls();
Attempts devices();
Attempts files();
Attempts seen();
Attempts descriptors();
Attempts filter();
Attempts execution();

Attempts narrow();

// A second list: these must succeed. The other ones, where it is not QEMU itself.
Attempts allowed();
Attempts allowed_to_first_process();

// Those that kill who makes them: made last, one in a run.
Outcome call_as_i386(const Attempt& attempt);
Outcome call_as_x32(const Attempt& attempt);

// What needs a run for itself.
int outlive();
int link_api_socket();
int crowd();
// Of a copy of this program that an attempt has executed.
int report_execution(const char* attempt);

// Says of each path in the jail "sees PATH"; false when some could not be looked at.
bool tell_what_is_seen();

// Listens where the monitor will connect to.
void listen_for_monitor();

}  // namespace probe

#endif  // KNALLER_TESTS_JAIL_PROBE_H_
