"""one_instant.py MEMORY FILE [N]: prints the numbers of tests/e2e/counter.c in a snapshot's memory and in its file of the same
snapshot's disk, and fails unless they differ by no more than the one write that may be under way. With N, as the counter got it:
every block of the N MiB must have the number that was last written to it."""
import mmap
import sys

memory_file, counted_file = sys.argv[1:3]
places = int(sys.argv[3]) if len(sys.argv) > 3 else None
BLOCK, MIB = 4096, 1 << 20
mark = bytes(0xA7 ^ (i * 37 & 0xFF) for i in range(16))
with open(memory_file, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
    at = memory.find(mark)
    if at < 0 or memory.find(mark, at + 1) >= 0:
        sys.exit("the mark is not in memory once")
    counted = int.from_bytes(memory[at + 16 : at + 24], "little")
if places:
    if counted <= 2 * places:
        sys.exit(f"only {counted} MiB were written")
    with open(counted_file, "rb") as file:
        for place in range(places):
            data = file.read(MIB)
            # The last number before the one that may be under way.
            last = counted - 1 - (counted - 1 - place) % places
            under_way = counted % places == place
            for at in range(0, MIB, BLOCK):
                number = int.from_bytes(data[at : at + 8], "little")
                if number != last and not (under_way and number == counted):
                    sys.exit(f"at {place} MiB and {at} there is {number} instead of {last}, of {counted}")
    print(counted)
    sys.exit()
with open(counted_file, "rb") as file:
    written = int.from_bytes(file.read(8), "little")
print(counted, written)
if counted == 0 or not 0 <= counted - written <= 1:
    sys.exit("memory and disk are of two instants")
