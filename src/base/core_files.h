// What a process knows that nobody else of its user is to read.
#ifndef KNALLER_BASE_CORE_FILES_H_
#define KNALLER_BASE_CORE_FILES_H_

namespace knaller {

// For programs that read keys or a guest's memory: leaves no core, and no other process of the user's reads
// its memory. Not by RLIMIT_CORE: what it starts would inherit it, and a program that core_pattern(5) names
// is given a core all the same. Whoever started it under strace or a debugger sees everything, and is to:
// they could not read its memory any more.
void forbid_core_files();

}  // namespace knaller

#endif  // KNALLER_BASE_CORE_FILES_H_
