// What the programs of the build that write filters of system calls have in common: libseccomp arranges the
// search for a call's number, and the result is an array of BPF instructions in C++.
#ifndef KNALLER_BASE_MAKE_FILTER_H_
#define KNALLER_BASE_MAKE_FILTER_H_

#include <linux/filter.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace knaller::make_filter {

[[noreturn]] inline void fail(const std::string& what, int error) {
  std::fprintf(stderr, "%s: %s: error %d\n", program_invocation_short_name, what.c_str(), error);
  std::exit(1);
}

inline void check(const std::string& what, int result) {
  if (result != 0) fail(what, result);
}

inline int number_of(const char* call) {
  const int number = seccomp_syscall_resolve_name(call);
  if (number < 0) fail(std::string("no system call ") + call, number);
  return number;
}

inline void add_rule(scmp_filter_ctx context, uint32_t action, const char* call,
                     const std::vector<scmp_arg_cmp>& arguments = {}) {
  check(call, seccomp_rule_add_array(context, action, number_of(call),
                                     static_cast<unsigned>(arguments.size()), arguments.data()));
}

// `action`: for calls that no rule is for.
inline scmp_filter_ctx new_context(uint32_t action) {
  const scmp_filter_ctx context = seccomp_init(action);
  if (context == nullptr) fail("seccomp_init", 0);
  // A call of another architecture's table has no honest sender.
  check("bad architecture", seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
  check("optimize", seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2));
  return context;
}

inline std::vector<sock_filter> steps_of(scmp_filter_ctx context) {
  const int file = memfd_create("filter", MFD_CLOEXEC);
  check("export", seccomp_export_bpf(context, file));
  std::vector<sock_filter> steps(static_cast<size_t>(lseek(file, 0, SEEK_END)) / sizeof(sock_filter));
  const auto size = static_cast<ssize_t>(steps.size() * sizeof(sock_filter));
  if (pread(file, steps.data(), static_cast<size_t>(size), 0) != size) fail("read the filter", errno);
  ::close(file);
  return steps;
}

inline void write_steps(const char* name, const std::vector<sock_filter>& steps) {
  std::printf("constexpr sock_filter %s[] = {\n", name);
  for (const sock_filter& step : steps)
    std::printf("    {0x%x, %u, %u, 0x%x},\n", step.code, step.jt, step.jf, step.k);
  std::printf("};\n");
}

}  // namespace knaller::make_filter

#endif  // KNALLER_BASE_MAKE_FILTER_H_
