# Machines and homes that are not as one would like: each lack is named with what to do, and odd homes just work.
load common

setup() {
  common_setup
}

teardown() {
  # A home may be read-only or gone on purpose.
  remove_all 2> /dev/null
}

# Runs the rest in a mount namespace in which the user may mount, and remains himself.
in_own_mounts() {
  unshare --user --map-current-user --keep-caps --mount "$@"
}

can_mount() {
  in_own_mounts mount -t tmpfs none /mnt 2> /dev/null || skip "no mounts in a user namespace here"
}

# What a user does first, in whatever home.
works() {
  k_exits 0 start -d web
  k_exits 0 ls --format '{{.Name}} {{.Status}}'
  [[ $output == "web running" ]]
  k_exits 0 snapshot create web
  k_exits 0 start -d web2 --from-snapshot "$output"
  k_exits 0 stop web
  k_exits 0 start -d web
  k_exits 0 logs web
  contains "$output" "Linux version"
  k_exits 0 rm -f web web2
}

@test "a home whose path has 200 characters works" {
  KNALLER_HOME=$BATS_TEST_TMPDIR/$(printf 'h%.0s' {1..200})
  use_fake_engine
  works
}

@test "a home with spaces, quotes, percent signs and letters of all kinds works" {
  KNALLER_HOME="$BATS_TEST_TMPDIR/it's my \"home\" 100% ü \$HOME"
  use_fake_engine
  works
}

@test "a home on a file system mounted noexec works" {
  can_mount
  use_fake_engine
  in_own_mounts bash -e -c '
    mkdir "$1" && mount -t tmpfs -o noexec,mode=0700 none "$1"
    export KNALLER_HOME=$1
    knaller image import fake --kernel "$2/vmlinux" --rootfs "$2/rootfs.ext4"
    knaller start -d web
    [[ $(knaller ls --format "{{.Name}} {{.Status}}") == "web running" ]]
    knaller start -d web2 --from-snapshot "$(knaller snapshot create web)"
    knaller stop web
    knaller start -d web
    knaller rm -f web web2' bash "$BATS_TEST_TMPDIR/noexec" "$BATS_TEST_TMPDIR/files"
}

@test "a home that can't be written is named, with exit code 9" {
  use_fake_engine
  chmod 0500 "$KNALLER_HOME"/{,vms,locks}
  k start -d web
  chmod 0700 "$KNALLER_HOME"/{,vms,locks}
  [[ $EUID -ne 0 ]] || skip "root may write everywhere"
  [[ $status -eq 9 ]] || { echo "$status $stderr"; false; }
  contains "$stderr" "$KNALLER_HOME"
  mkdir -m 0500 "$BATS_TEST_TMPDIR/closed"
  KNALLER_HOME=$BATS_TEST_TMPDIR/closed/home k_exits 9 ls
  contains "$stderr" "closed"
}

@test "a home that is a file, or below one, is refused" {
  touch "$BATS_TEST_TMPDIR/file"
  for home in "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/file/home"; do
    k ls --home "$home"
    [[ $status -ne 0 && $status -ne 70 ]]
    contains "$stderr" "$BATS_TEST_TMPDIR/file"
  done
}

@test "a home on a read-only file system is named" {
  can_mount
  use_fake_engine
  run --separate-stderr in_own_mounts bash -c '
    mount --bind "$KNALLER_HOME" "$KNALLER_HOME" && mount -o remount,bind,ro "$KNALLER_HOME"
    exec setpriv --inh-caps=-all --ambient-caps=-all knaller start -d web'
  [[ $status -eq 9 ]] || { echo "$status $stderr"; false; }
  contains "$stderr" "$KNALLER_HOME"
  contains "$stderr" "hint:"
  # What is there can still be looked at.
  touch "$KNALLER_HOME/locks/vm-left-over"
  run --separate-stderr in_own_mounts bash -c '
    mount --bind "$KNALLER_HOME" "$KNALLER_HOME" && mount -o remount,bind,ro "$KNALLER_HOME"
    exec setpriv --inh-caps=-all --ambient-caps=-all knaller image ls -q'
  [[ $status -eq 0 && $output == fake ]] || { echo "$status $stderr"; false; }
}

@test "without pasta or an engine the error names the package" {
  use_fake_engine
  bin=$(dirname "$(command -v knaller)")
  # With this PATH there is nothing but knaller.
  alone() { run --separate-stderr env PATH="$bin" "$bin/knaller" start -d web "$@"; }
  alone --network rootless
  [[ $status -eq 3 ]] || { echo "$status $stderr"; false; }
  contains "$stderr" "pasta"
  contains "$stderr" "passt"
  k_exits 3 start -d web --network rootless --pasta "$BATS_TEST_TMPDIR/pasta"
  alone --engine firecracker
  [[ $status -eq 3 || $status -eq 6 ]] || { echo "$status $stderr"; false; }
  contains "$stderr" "firecracker"
  k_exits 0 ls -aq
  [[ -z $output ]]
}

@test "without QEMU the error names the package" {
  can_mount
  use_fake_engine
  # /usr/bin without this one program.
  mkdir "$BATS_TEST_TMPDIR"/{real,without}
  run --separate-stderr in_own_mounts bash -e -c '
    mount --bind /usr/bin "$1/real"
    ln -s "$1"/real/* "$1/without"
    rm "$1/without/qemu-system-x86_64"
    mount --bind "$1/without" /usr/bin
    exec setpriv --inh-caps=-all --ambient-caps=-all knaller start -d web --engine qemu' bash "$BATS_TEST_TMPDIR"
  [[ $status -eq 3 || $status -eq 6 ]] || { echo "$status $stderr"; false; }
  contains "$stderr" "apt"
  contains "$stderr" "qemu-system-x86"
  k_exits 0 ls -aq
  [[ -z $output ]]
}

@test "without a usable /dev/net/tun the error names it" {
  can_mount
  [[ -e /dev/net/tun ]] || skip "there is no /dev/net/tun to hide"
  use_fake_engine
  run --separate-stderr in_own_mounts bash -c '
    mount -t tmpfs none /dev/net
    exec setpriv --inh-caps=-all --ambient-caps=-all knaller start -d web --network rootless'
  [[ $status -ne 0 ]]
  contains "$stderr" "/dev/net/tun"
  contains "$stderr" "hint:"
  k_exits 0 ls -aq
  [[ -z $output ]]
}

@test "a full disk is exit code 10 at every step of start, and leaves nothing" {
  can_mount
  use_fake_engine
  in_own_mounts bash -e -c '
    mkdir "$1" && mount -t tmpfs -o size=6m,mode=0700 none "$1"
    export KNALLER_HOME=$1
    knaller image import fake --kernel "$2/vmlinux" --rootfs "$2/rootfs.ext4"
    knaller ls
    failures=0 successes=0
    for free in 0 4 8 12 16 24 32 48 64 96 128 192 256 384 512 768 1024 2048; do
      left=$(($(stat -f -c %a "$1") * $(stat -f -c %S "$1") / 1024))
      dd if=/dev/zero of="$1/filler" bs=1024 count=$((left - free)) status=none
      code=0
      knaller start -d web 2> "$2/stderr" || code=$?
      rm "$1/filler"
      if [[ $code -eq 0 ]]; then
        successes=$((successes + 1))
        knaller rm -f web
      elif [[ $code -eq 10 ]]; then
        failures=$((failures + 1))
        grep -q hint: "$2/stderr"
      else
        echo "$free KiB free: exit code $code" && cat "$2/stderr" && exit 1
      fi
      [[ -z $(ls -A "$1/vms") ]] || { echo "$free KiB free: left" && ls -AR "$1/vms" && exit 1; }
    done
    echo "$failures failures, $successes successes"
    ((failures > 3 && successes > 1))' bash "$BATS_TEST_TMPDIR/small" "$BATS_TEST_TMPDIR/files"
}
