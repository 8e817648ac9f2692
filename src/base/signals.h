// Signal dispositions of a child that was just made. Async-signal-safe: called between fork (or clone) and
// exec.
#ifndef KNALLER_BASE_SIGNALS_H_
#define KNALLER_BASE_SIGNALS_H_

namespace knaller {

// Every signal does what it does by default, and none is blocked: the handlers were the parent's, and what it
// ignores a new program would go on ignoring. What the kernel refuses (SIGKILL, SIGSTOP) is as it should be.
void reset_signals() noexcept;

}  // namespace knaller

#endif  // KNALLER_BASE_SIGNALS_H_
