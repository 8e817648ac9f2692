# Loaded by every test of this folder: the fake engine with faults in it, and ways to see what is left of a VM.
# shellcheck disable=SC2034,SC2154 # variables are for and from the tests
load ../cli/common
load ../lib/processes

# Copies of the fake engine carry a script each; without its symbols a copy takes milliseconds.
setup_file() {
  strip -o "$BATS_FILE_TMPDIR/fake" "$KNALLER_BUILD/bin/fake_firecracker" 2> /dev/null ||
    cp "$KNALLER_BUILD/bin/fake_firecracker" "$BATS_FILE_TMPDIR/fake"
}

system_setup() {
  common_setup
  use_fake_engine > /dev/null 2>&1
  # Without the scratch VM on which an engine is tried first: a script's faults are for the VM of the test.
  export KNALLER_CAPTURE=outside
  children=()
}

# As an image that knaller made: its VMs get a key, and their guests say on the console that they are ready.
make_image_ours() {
  chmod u+w "$KNALLER_HOME/images/fake/image.json"
  jq '.guest_protocol = 1' "$KNALLER_HOME/images/fake/image.json" > "$BATS_TEST_TMPDIR/files/image.json"
  cp "$BATS_TEST_TMPDIR/files/image.json" "$KNALLER_HOME/images/fake/image.json"
}

system_teardown() {
  local pid
  for pid in "${children[@]}"; do kill -KILL "$pid" 2> /dev/null || true; done
  remove_all > /dev/null 2>&1
  chmod -R u+rwx "$BATS_TEST_TMPDIR"
}

# Runs a script with a home of its own, $1, on a file system of 20 MiB; $2 is the folder of a guest's files, which are an image in it.
on_small_disk() {
  unshare --user --map-current-user --keep-caps --mount mount -t tmpfs none /mnt 2> /dev/null ||
    skip "no mounts in a user namespace here"
  # shellcheck disable=SC2016 # meant for another shell
  unshare --user --map-current-user --keep-caps --mount bash -e -c '
    trap '"'"'echo "failed: $BASH_COMMAND"'"'"' ERR
    mkdir "$1" && mount -t tmpfs -o size=20m,mode=0700 none "$1"
    export KNALLER_HOME=$1
    knaller image import fake --kernel "$2/vmlinux" --rootfs "$2/rootfs.ext4"
    '"$1" bash "$BATS_TEST_TMPDIR/small" "$BATS_TEST_TMPDIR/files"
}

# As root of a user namespace that has this user's subordinate ids, too: for files of somebody else.
with_other_users() {
  unshare --user --map-root-user --map-auto "$@" 2> "$BATS_TEST_TMPDIR/other-users" ||
    skip "no subordinate ids here: $(< "$BATS_TEST_TMPDIR/other-users")"
}

# The path of an engine that behaves as this script says (tests/fakes/fake_script.h).
engine_with() {
  local path
  path=$(mktemp "$BATS_TEST_TMPDIR/engine.XXXXXX")
  cp "$BATS_FILE_TMPDIR/fake" "$path"
  printf '\n--fake-script--\n%s' "$1" >> "$path"
  chmod 755 "$path"
  echo "$path"
}

# Monitors whose directory lies in this home, also one that is still being made or was just removed.
monitors_here() {
  local pid where
  for pid in $(pgrep --uid "$EUID" --exact knaller-monitor); do
    where=$(readlink "/proc/$pid/cwd" 2> /dev/null) || continue
    [[ $where != "$(realpath "$KNALLER_HOME")"/* ]] || echo "$pid"
  done
}

no_monitor_here() { [[ -z $(monitors_here) ]]; }

# Nothing of any VM or unfinished snapshot: no process, no file. Lock files may lie there; none is held.
nothing_left() {
  within 2000 no_monitor_here
  knaller ls -a > /dev/null
  local left
  left=$(find "$KNALLER_HOME/vms" "$KNALLER_HOME/snapshots" -mindepth 1 -maxdepth 1)
  [[ -z $left ]] || { echo "left: $left"; return 1; }
  no_lock_held
}

no_lock_held() {
  python3 - "$KNALLER_HOME/locks" << 'PY'
import fcntl, os, struct, sys
for name in os.listdir(sys.argv[1]):
    with open(os.path.join(sys.argv[1], name), "r+b") as file:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        if struct.unpack("hhqqi4x", fcntl.fcntl(file, 36, asked))[0] != fcntl.F_UNLCK:  # F_OFD_GETLK
            sys.exit(f"held: {name}: {file.read()}")
PY
}

# VMs of this test get pasta's network; such a guest is never "ready", since nobody answers there.
with_network() {
  command -v pasta > /dev/null || skip "there is no pasta"
  [[ -r /dev/net/tun && -w /dev/net/tun ]] || skip "/dev/net/tun can't be opened"
  unset KNALLER_NETWORK
}
