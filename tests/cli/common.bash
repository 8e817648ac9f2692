# Loaded by every test of the command line: a home and a configuration of its own, and ways to look at what a command printed.
bats_require_minimum_version 1.5.0

common_setup() {
  export KNALLER_HOME=$BATS_TEST_TMPDIR/home
  export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config
  unset KNALLER_CONFIG KNALLER_IMAGE KNALLER_CPUS KNALLER_MEM KNALLER_DISK KNALLER_ENGINE KNALLER_PASTA NO_COLOR CI
}

# knaller, with its output in $output, its errors in $stderr and its exit code in $status.
k() {
  run --separate-stderr knaller "$@"
}

# The same, and the exit code has to be this.
k_exits() {
  local expected=$1
  shift
  k "$@"
  if [[ $status -ne $expected ]]; then
    echo "knaller $*: exit code $status instead of $expected"
    echo "stdout: $output"
    echo "stderr: $stderr"
    return 1
  fi
}

contains() {
  if [[ $1 != *"$2"* ]]; then
    echo "not found: $2"
    echo "in: $1"
    return 1
  fi
}

lacks() {
  if [[ $1 == *"$2"* ]]; then
    echo "found: $2"
    echo "in: $1"
    return 1
  fi
}

# Standard error was exactly one error object of this code, and standard output was empty.
json_error() {
  [[ -z $output ]] || { echo "stdout: $output"; return 1; }
  local code
  code=$(jq -r .error.code <<<"$stderr") || { echo "stderr: $stderr"; return 1; }
  [[ $code == "$1" && $(jq -s length <<<"$stderr") == 1 ]] || { echo "stderr: $stderr"; return 1; }
}

# make_kernel FILE [TYPE]: something that passes for a kernel: an ELF file for x86-64 with one segment and a note of Xen's, of
# PVH's type unless another is given. The fake engine does not run it.
make_kernel() {
  python3 - "$1" "${2:-18}" << 'PY'
import struct, sys
size = 128 << 10
header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x1000000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000000, 0x1000000, size, size, 4096)
note = struct.pack("<III4sI", 4, 4, int(sys.argv[2]), b"Xen", 0x1000000)
segment += struct.pack("<IIQQQQQQ", 4, 4, 64 + 2 * 56, 0, 0, len(note), len(note), 4)
open(sys.argv[1], "wb").write((header + segment + note).ljust(size, b"\0"))
PY
}

# An image named `fake` for the fake engine.
make_fake_image() {
  local files=$BATS_TEST_TMPDIR/files
  mkdir -p "$files"
  make_kernel "$files/vmlinux"
  truncate -s 8M "$files/rootfs.ext4"
  PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 "$files/rootfs.ext4"
  knaller image import fake --kernel "$files/vmlinux" --rootfs "$files/rootfs.ext4"
}

# VMs on the fake engine, without network: they start in milliseconds, and nobody waits for anything in them.
use_fake_engine() {
  export KNALLER_ENGINE=$KNALLER_BUILD/bin/fake_firecracker KNALLER_NETWORK=none KNALLER_IMAGE=fake
  make_fake_image
}

remove_all() {
  knaller rm -f --all || true
}
