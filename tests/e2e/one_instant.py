"""one_instant.py MEMORY FILE: prints the numbers of tests/e2e/counter.c in a snapshot's memory and in its file of the same snapshot's
disk, and fails unless they differ by no more than the one write that may be under way."""
import mmap
import sys

memory_file, counted_file = sys.argv[1:]
mark = bytes(0xA7 ^ (i * 37 & 0xFF) for i in range(16))
with open(memory_file, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
    at = memory.find(mark)
    if at < 0 or memory.find(mark, at + 1) >= 0:
        sys.exit("the mark is not in memory once")
    counted = int.from_bytes(memory[at + 16 : at + 24], "little")
with open(counted_file, "rb") as file:
    written = int.from_bytes(file.read(8), "little")
print(counted, written)
if counted == 0 or not 0 <= counted - written <= 1:
    sys.exit("memory and disk are of two instants")
