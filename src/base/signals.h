// Signal dispositions of a child that was just made. Async-signal-safe: called between fork (or clone) and
// exec.
#ifndef KNALLER_BASE_SIGNALS_H_
#define KNALLER_BASE_SIGNALS_H_

namespace knaller {

// Gives every signal its default action and blocks none: the handlers were the parent's, and a new program
// would go on ignoring what the parent ignores. SIGKILL and SIGSTOP, which the kernel refuses, need no
// change.
void reset_signals() noexcept;

}  // namespace knaller

#endif  // KNALLER_BASE_SIGNALS_H_
