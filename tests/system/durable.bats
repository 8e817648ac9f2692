#!/usr/bin/env bats
# What a VM consists of is on the disk before the VM has its name: a power cut then leaves it whole, or absent. (What the power may leave
# of other commands: tests/crash/run-power.)
load common

setup() { system_setup; }
teardown() { system_teardown; }

# Runs a command, which must succeed, and looks at what it syncs; not at the monitor, which outlives it.
traced() {
  strace -f -b execve -y -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=fsync "$KNALLER_BUILD/bin/knaller" "$@" 2> "$BATS_TEST_TMPDIR/stderr" ||
    { cat "$BATS_TEST_TMPDIR/stderr"; return 1; }
}

# Each file and folder of the VM was synced under the name that it has until it is published.
must_be_synced() {
  local folder file staged vms
  vms=$(realpath "$KNALLER_HOME/vms")
  for folder in "" /parts /jail; do
    grep -qF "<$vms/.new-$1$folder>" "$BATS_TEST_TMPDIR/trace" || { echo "not synced: the folder '$folder'"; return 1; }
  done
  while read -r file; do
    staged=$vms/.new-$1/${file#"$vms/$1/"}
    grep -qF "<$staged>" "$BATS_TEST_TMPDIR/trace" || { echo "not synced: $file"; return 1; }
  done < <(find "$vms/$1/parts" "$vms/$1/jail" -type f)
}

@test "a new VM, a clone, and one that was put back are on the disk before they have their name" {
  traced start -d web --mem 64
  must_be_synced web
  k_exits 0 snapshot create web
  traced start -d other --from-snapshot "$output"
  must_be_synced other
  traced rollback web
  must_be_synced web
}

@test "so is one of the user's own kernel and disk" {
  traced start -d own --mem 64 --kernel "$BATS_TEST_TMPDIR/files/vmlinux" --rootfs "$BATS_TEST_TMPDIR/files/rootfs.ext4"
  must_be_synced own
}
