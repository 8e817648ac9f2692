# Kernels that lack something: each family of system calls is refused in turn, to the command and to all that it starts. Either
# knaller works another way there, or it refuses by name before anything is there.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

# Runs knaller where this family is missing.
k_without() { k_exits_in "$1" 0 "${@:2}"; }
k_exits_in() {
  local family=$1 code=$2
  shift 2
  run --separate-stderr "-$code" "$KNALLER_BUILD/bin/deny" "$family" "$KNALLER_BIN/knaller" "$@" || {
    echo "$stderr"
    return 1
  }
}

# All that a VM and its snapshots go through.
works_without() {
  local family=$1
  k_without "$family" start -d web --mem 128
  is web running
  k_without "$family" snapshot create web --name first
  k_without "$family" pause web
  k_without "$family" resume web
  k_without "$family" start -d clone --from-snapshot first
  is clone running
  k_without "$family" snapshot create clone --name second
  k_without "$family" rollback web first --no-safety
  k_without "$family" snapshot verify first second
  k_without "$family" snapshot export first "$BATS_TEST_TMPDIR/first.tar"
  k_without "$family" snapshot rm -f first second
  k_without "$family" snapshot import "$BATS_TEST_TMPDIR/first.tar" --name again
  k_without "$family" stop web
  k_without "$family" start -d web
  k_without "$family" rm -f web clone
  k_without "$family" snapshot rm again
  nothing_left
}

# Nothing begins, and the command says what is missing.
refused_without() {
  local family=$1 text=$2
  k_exits_in "$family" 6 start -d web --mem 128
  contains "$stderr" "$text"
  nothing_left
}

@test "without openat2: refused by name" { refused_without openat2 "openat2 (Linux 5.6)"; }
@test "without clone3: refused by name" { refused_without clone3 "clone3 (Linux 5.3)"; }
@test "without close_range: refused by name" { refused_without close_range "close_range (Linux 5.9)"; }
@test "without pidfds: refused by name" { refused_without pidfd "pidfd_open (Linux 5.3)"; }
@test "without the newer mount calls: refused by name" { refused_without mounts "mount_setattr (Linux 5.12)"; }

@test "doctor names what the kernel lacks" {
  k_exits_in openat2,clone3 1 doctor
  contains "$output" "openat2 (Linux 5.6)"
  contains "$output" "clone3 (Linux 5.3)"
}

@test "without user namespaces: refused, with what to do" {
  unshare --user --map-current-user --keep-caps true 2> /dev/null || skip "no user namespaces here"
  # shellcheck disable=SC2016 # meant for another shell
  run --separate-stderr unshare --user --map-current-user --keep-caps bash -c '
    echo 0 > /proc/sys/user/max_user_namespaces && exec "$KNALLER_BIN/knaller" start -d web --mem 128'
  [[ $status -ne 0 ]]
  contains "$stderr" "cannot make the engine's namespaces"
  contains "$stderr" "knaller doctor"
  nothing_left
}

@test "without a filter's notifications all works" { works_without notifications; }
@test "without landlock all works" { works_without landlock; }
@test "without PAGEMAP_SCAN all works" { works_without pagemap_scan; }
@test "without cachestat all works" { works_without cachestat; }
@test "without renameat2's flags all works" { works_without renameat2_flags; }
@test "without statx all works" { works_without statx; }
@test "without sync_file_range all works" { works_without sync_file_range; }
@test "without copies in the kernel all works" { works_without copies; }
@test "without holes in files all works" { works_without holes; }

# It is QEMU's alone: its guests' memory is one.
@test "without memfds QEMU is refused by name, and the others work" {
  k_exits_in memfd 6 start -d web --mem 128 --engine qemu
  contains "$stderr" "memfd_create (Linux 3.17)"
  nothing_left
  k_exits_in memfd 1 doctor
  contains "$output" "memfd_create (Linux 3.17)"
  works_without memfd
}

@test "where other processes' memory may not be read, the engine writes it" {
  unset KNALLER_CAPTURE
  k_without other_memory start -d web --mem 128
  k_without other_memory snapshot create web --name first
  [[ $(knaller snapshot inspect first --json | jq -r .capture) == engine ]]
  k_without other_memory start -d clone --from-snapshot first
  k_without other_memory rm -f web clone
  k_without other_memory snapshot rm first
  nothing_left
}
