# `snapshot export` and `snapshot import`: the same snapshot in another home, for another user, through a pipe; and what others make of
# such archives.
# shellcheck disable=SC2154,SC2030,SC2031 # bats' run and common.bash set them; each test is a subshell
load common

setup() {
  system_setup
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web --name clean --label stage=ci
  id=$output
  snapshot=$KNALLER_HOME/snapshots/$id
  archive=$BATS_TEST_TMPDIR/web.tar.zst
  home=$KNALLER_HOME
  other=$BATS_TEST_TMPDIR/other
}

teardown() {
  KNALLER_HOME=$other remove_all > /dev/null 2>&1
  KNALLER_HOME=$home system_teardown
}

export_it() { k_exits 0 snapshot export clean "$archive"; }

# Every file but the labels, which are the home's.
contents_of() { (cd "$1" && find . -type f ! -name labels.json -exec sha256sum {} + | sort -k 2); }

modes_of() { (cd "$1" && find . -type f ! -name labels.json -printf '%p %m %s\n' | sort); }

is_same_snapshot() {
  [[ $(contents_of "$1") == "$(contents_of "$2")" ]]
  [[ $(modes_of "$1") == "$(modes_of "$2")" ]]
}

@test "an exported snapshot is the same one in another home, and starts there" {
  export_it
  [[ $(stat -c %a "$archive") == 600 ]]
  contains "$stderr" "guest's memory"
  export KNALLER_HOME=$other
  k_exits 0 snapshot import "$archive" --keep-name
  [[ $output == "$id" ]]
  is_same_snapshot "$snapshot" "$other/snapshots/$id"
  [[ $(du -k "$other/snapshots/$id/memory" | cut -f 1) -le $(du -k "$snapshot/memory" | cut -f 1) ]]
  k_exits 0 snapshot verify clean
  k_exits 0 snapshot ls --format '{{.Name}} {{.Labels}}'
  [[ $output == "clean stage=ci" ]]
  k_exits 0 start -d web2 --from-snapshot clean
  is web2 running
  k_exits 0 store check
}

@test "through a pipe, for another user, it is the same one" {
  # The other user is one whom a user namespace has.
  knaller snapshot export clean - 2> /dev/null | KNALLER_HOME=$other knaller snapshot import - > "$BATS_TEST_TMPDIR/id"
  [[ $(< "$BATS_TEST_TMPDIR/id") == "$id" ]]
  is_same_snapshot "$snapshot" "$other/snapshots/$id"
  # Another time, all of the stream is taken, so that its writer does not fail.
  set -o pipefail
  knaller snapshot export clean - 2> /dev/null | KNALLER_HOME=$other knaller snapshot import -
  unshare --user --map-user=4711 --map-group=4711 true 2> /dev/null || skip "no user namespaces here"
  mkdir -m 777 "$BATS_TEST_TMPDIR/third"
  knaller snapshot export clean - 2> /dev/null |
    KNALLER_HOME=$BATS_TEST_TMPDIR/third/home unshare --user --map-user=4711 --map-group=4711 knaller snapshot import --keep-name -
  is_same_snapshot "$snapshot" "$BATS_TEST_TMPDIR/third/home/snapshots/$id"
  # shellcheck disable=SC2016 # meant for another shell
  KNALLER_HOME=$BATS_TEST_TMPDIR/third/home unshare --user --map-user=4711 --map-group=4711 bash -e -c '
    [[ $(id -u) -eq 4711 ]]
    knaller start -d web --from-snapshot clean --no-wait
    [[ $(knaller ls --format "{{.Name}} {{.Status}}") == "web running" ]]
    knaller rm -f web'
}

@test "two exports are the same bytes, with any number of threads, from the copy too" {
  export_it
  for threads in 1 2 7; do
    knaller snapshot export clean - --threads "$threads" 2> /dev/null | cmp - "$archive"
  done
  KNALLER_HOME=$other knaller snapshot import "$archive" --keep-name
  KNALLER_HOME=$other knaller snapshot export clean - 2> /dev/null | cmp - "$archive"
  # Protection is this home's word.
  knaller snapshot protect clean
  knaller snapshot export clean - 2> /dev/null | cmp - "$archive"
}

@test "tar gets the same files out of it" {
  # Holes in the middle, at the beginning and at the end, of a size that is no multiple of anything.
  k_exits 0 snapshot create web --while-paused -- bash -c 'cd "$KNALLER_SNAPSHOT_DIR" && truncate -s 20000001 holes &&
    printf x | dd of=holes bs=1 seek=5000000 conv=notrunc && printf y | dd of=holes bs=1 seek=9999999 conv=notrunc &&
    truncate -s 123456 "all hole, with a näme" && : > empty && printf z > "$(printf "n%.0s" {1..150})"'
  knaller snapshot export "$output" "$archive"
  command -v zstd > /dev/null || skip "there is no zstd"
  mkdir "$BATS_TEST_TMPDIR/out"
  tar --zstd -x -f "$archive" -C "$BATS_TEST_TMPDIR/out"
  diff -r "$home/snapshots/$output" "$BATS_TEST_TMPDIR/out/$output"
  [[ $(du -k "$BATS_TEST_TMPDIR/out/$output/holes" | cut -f 1) -le 64 ]]
  KNALLER_HOME=$other knaller snapshot import "$BATS_TEST_TMPDIR/out/$output"
  is_same_snapshot "$home/snapshots/$output" "$other/snapshots/$output"
  if command -v bsdtar > /dev/null; then
    mkdir "$BATS_TEST_TMPDIR/bsd"
    bsdtar -x -f "$archive" -C "$BATS_TEST_TMPDIR/bsd"
    diff -r "$home/snapshots/$output" "$BATS_TEST_TMPDIR/bsd/$output"
  fi
}

@test "a snapshot takes no file whose name its manifest could not hold" {
  for name in .hidden $'two\nlines' $'\x1b[2J'; do
    export name
    # shellcheck disable=SC2016 # meant for another shell
    k_exits 2 snapshot create web --while-paused -- bash -c 'echo > "$KNALLER_SNAPSHOT_DIR/$name"'
    [[ $stderr != *$'\x1b'* ]]
  done
  is web running
}

@test "one that is here and damaged is not taken for the one that comes, nor replaced" {
  export_it
  cp -r "$snapshot" "$BATS_TEST_TMPDIR/whole"
  chmod u+w "$snapshot/memory"
  truncate -s 1M "$snapshot/memory"
  for from in "$archive" "$BATS_TEST_TMPDIR/whole"; do
    k_exits 11 snapshot import "$from"
    contains "$stderr" "it is here already, as $id, and damaged: 'memory' has 1048576 bytes"
    contains "$stderr" "knaller snapshot rm $id"
    [[ $(knaller snapshot ls -q) == "$id" ]]
  done
  rm -f "$snapshot/memory"
  k_exits 11 snapshot import "$archive"
  contains "$stderr" "memory"
  k_exits 0 snapshot rm "$id"
  k_exits 0 snapshot import "$archive"
  [[ $output == "$id" ]]
  k_exits 0 snapshot verify "$id"
}

@test "the same again is nothing to do; another one of that id gets a new one; a name that is taken is dropped" {
  export_it
  k_exits 0 snapshot import "$archive" --json
  [[ $(jq -c '[.was_there, .was, .snapshot.id]' <<< "$output") == "[true,null,\"$id\"]" ]]
  k_exits 0 snapshot create web --name other
  # Another one of the same id: a whole snapshot whose metadata was written anew.
  cp -r "$home/snapshots/$output" "$BATS_TEST_TMPDIR/changed"
  rename_snapshot "$BATS_TEST_TMPDIR/changed" "$id"
  k_exits 5 snapshot import "$BATS_TEST_TMPDIR/changed" --name clean
  k_exits 0 snapshot import "$BATS_TEST_TMPDIR/changed" --keep-name --json
  [[ $(jq -c '[.was_there, .was, .dropped_name]' <<< "$output") == "[false,\"$id\",\"other\"]" ]]
  new=$(jq -r .snapshot.id <<< "$output")
  [[ $new != "$id" ]]
  k_exits 0 snapshot verify "$new" "$id"
  k_exits 0 start -d web2 --from-snapshot "$new"
  [[ $(knaller snapshot inspect "$new" | jq -r '.name // ""') == "" ]]
}

# Gives the snapshot in folder $1 another id, as nobody but this test would.
rename_snapshot() {
  python3 - "$1" "$2" << 'PY'
import json, os, sys
folder, new = sys.argv[1:]
path = os.path.join(folder, "metadata.json")
metadata = json.load(open(path)); metadata["id"] = new
text = json.dumps(metadata).encode()
os.chmod(path, 0o600); open(path, "wb").write(text)
PY
  "$KNALLER_SOURCE/tests/lib/sign-again" "$1" metadata.json
}

@test "a file appears when it is whole, is not replaced unasked, and a failed export leaves nothing" {
  : > "$archive"
  k_exits 5 snapshot export clean "$archive"
  contains "$stderr" "--force"
  [[ ! -s $archive ]]
  k_exits 0 snapshot export clean "$archive" --force
  k_exits 2 snapshot export clean "$BATS_TEST_TMPDIR" --force
  k_exits 2 snapshot export clean /dev/full --force
  ! knaller snapshot export clean - > /dev/full || false
  [[ -s $archive ]]
  rm "$archive"
  truncate -s -1 "$snapshot/memory" 2> /dev/null || { chmod u+w "$snapshot/memory" && truncate -s -1 "$snapshot/memory"; }
  k_exits 11 snapshot export clean "$archive"
  [[ -z $(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name '*web.tar*') ]]
  k_exits 3 snapshot export nosuch "$archive"
  k_exits 2 snapshot export clean "$archive" --level 20
}

@test "no snapshot goes to a terminal, or comes from one" {
  python3 - "$KNALLER_SOURCE/tests/lib" << 'PY'
import sys
sys.path.insert(0, sys.argv[1])
from pseudo_terminal import Terminal
for words in ("export", "clean", "-"), ("import", "-"):
    terminal = Terminal("knaller", "snapshot", *words)
    terminal.wait_for("terminal")
    terminal.end(2)
PY
}

@test "Ctrl-C ends an export that nobody reads, and an import that nobody writes" {
  # shellcheck disable=SC2016 # meant for another shell
  k_exits 0 snapshot create web --while-paused -- bash -c 'head -c 1M /dev/urandom > "$KNALLER_SNAPSHOT_DIR/more"'
  python3 - "$output" << 'PY'
import os, signal, subprocess, sys
read, write = os.pipe()
for words, streams, first in (["export", sys.argv[1], "-"], {"stdout": write}, b"exporting"), (["import", "-"], {"stdin": read}, b"importing"):
    if words[0] == "import":
        read, write = os.pipe()
        streams = {"stdin": read}
    process = subprocess.Popen(["knaller", "snapshot", *words], stderr=subprocess.PIPE, **streams)
    seen = b""
    while first not in seen:
        piece = os.read(process.stderr.fileno(), 4096)
        assert piece, seen
        seen += piece
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130, process.returncode
PY
  no_lock_held
}

@test "a reader that goes away ends the export" {
  k_exits 0 snapshot verify clean
  knaller snapshot export clean - 2> "$BATS_TEST_TMPDIR/err" | head -c 100 > /dev/null
  no_lock_held
}

# The snapshot in folder $1 becomes one whose metadata were changed as this python does with `m`.
forge() {
  chmod u+w "$1"/*
  python3 - "$1/metadata.json" "$2" << 'PY'
import json, sys
path, change = sys.argv[1:]
m = json.load(open(path))
exec(change)
open(path, "w").write(json.dumps(m))
PY
  "$KNALLER_SOURCE/tests/lib/sign-again" "$1" metadata.json
}

@test "what an imported snapshot says of itself decides nothing" {
  local forged=$BATS_TEST_TMPDIR/forged
  cp -r "$snapshot" "$forged"
  forge "$forged" 'm.update(id="snap_00000bad", created_at="2261-01-01T00:00:00Z", network="rootless", network_device=True,
    ports=[{"Host": 8080, "Guest": 80, "Addr": "0.0.0.0"}, {"Host": 5432, "Guest": 5432}])'
  # Of another home, where it is nothing that was imported.
  printf '{"name": "golden", "labels": {"stage": "ci"}, "protected": true, "imported": ""}' > "$forged/labels.json"
  k_exits 0 snapshot import "$forged"
  contains "$stderr" "'golden'"
  k_exits 3 snapshot inspect golden
  k_exits 0 snapshot inspect snap_00000bad
  [[ $(jq -r '.imported == .created_at, .protected, .ports[0].Addr' <<< "$output" | tr '\n' ' ') == "true false 0.0.0.0 " ]]
  k_exits 0 snapshot ls --format '{{.ID}} {{.Remarks}}'
  contains "$output" "snap_00000bad imported"
  contains "$output" "$id "
  # Its name and age are not those of the real VM's.
  k_exits 0 snapshot prune --keep-last 1 --dry-run -q
  [[ -z $output ]]
  k_exits 0 snapshot prune --vm web --dry-run -q
  [[ $output == "$id" ]]
  k_exits 2 rollback web snap_00000bad
  contains "$stderr" "imported"
  k_exits 0 rollback web --no-safety --json
  [[ $(jq -r .snapshot <<< "$output") == "$id" ]]
  # Nor is a VM that was made of another snapshot of this id its own.
  k_exits 0 rollback web snap_00000bad --no-safety --force
  # No port of the host is its to choose.
  unset KNALLER_NETWORK
  k start web2 --from-snapshot snap_00000bad --check
  contains "$output" "on free ones of 127.0.0.1 (it asks for 0.0.0.0:8080->80, 5432->5432)"
  k start web2 --from-snapshot snap_00000bad --check --trust-ports
  lacks "$output" "on free ones"
  k_exits 2 start web2 --from-snapshot snap_00000bad --trust-ports -p 1:1
  k_exits 2 start web2 --trust-ports
}

@test "an imported snapshot opens none of the host ports that it asks for" {
  with_network
  local forged=$BATS_TEST_TMPDIR/forged
  cp -r "$snapshot" "$forged"
  forge "$forged" 'm.update(id="snap_00000bad", network="rootless", network_device=True, ports=[{"Host": 1, "Guest": 80, "Addr": "0.0.0.0"}])'
  k_exits 0 snapshot import "$forged" --name forged
  k_exits 0 start -d web2 --no-wait --from-snapshot forged
  contains "$stderr" "none of the host ports that it asks for (0.0.0.0:1->80)"
  [[ $(knaller inspect web2 | jq -r '.ports[0] | .Addr, .Host > 1024, .Guest' | tr '\n' ' ') == "127.0.0.1 true 80 " ]]
}

@test "sizes that no host has room for, and texts that are none, are refused" {
  local forged=$BATS_TEST_TMPDIR/forged
  cp -r "$snapshot" "$forged"
  chmod u+w "$forged"/*
  truncate -s 2T "$forged/rootfs.ext4"
  sed -i 's/^file rootfs.ext4 [0-9]*/file rootfs.ext4 2199023255552/' "$forged/manifest"
  "$KNALLER_SOURCE/tests/lib/sign-again" "$forged" metadata.json
  KNALLER_HOME=$other k_exits 10 snapshot import "$forged"
  contains "$stderr" "--force"
  nothing_arrived "$other"
  KNALLER_HOME=$other k_exits 0 snapshot import "$forged" --force
  rm -r "$forged" && cp -r "$snapshot" "$forged"
  for change in 'm["vm_name"]="\x1b]2;owned\x07"' 'm["ports"]=[{"Host":1,"Guest":1,"Addr":"-x"}]'; do
    forge "$forged" "$change"
    KNALLER_HOME=$other k_exits 11 snapshot import "$forged"
    rm -r "$forged" && cp -r "$snapshot" "$forged"
  done
  # More memory than any host has: it may lie here, and is not started.
  forge "$forged" 'm["mem_size_mib"]=1 << 23'
  chmod u+w "$forged/memory" && truncate -s 8T "$forged/memory"
  sed -i 's/^file memory [0-9]*/file memory 8796093022208/' "$forged/manifest"
  "$KNALLER_SOURCE/tests/lib/sign-again" "$forged" metadata.json
  export KNALLER_HOME=$BATS_TEST_TMPDIR/third
  k_exits 0 snapshot import "$forged" --force --name large
  k_exits 10 start web2 -d --from-snapshot large
  contains "$stderr" "in all"
  contains "$stderr" "--force"
}

# No snapshot, nothing half-made, and no lock in the home $1.
nothing_arrived() {
  [[ -z $(find "$1/snapshots" -mindepth 1) ]] || { find "$1/snapshots"; return 1; }
  [[ -z $(find "$1/locks" -name 'snap-*') ]] || { find "$1/locks"; return 1; }
}

@test "hostile archives are refused with a reason, or harmless, and leave nothing" {
  command -v zstd > /dev/null || skip "there is no zstd"
  mkdir "$BATS_TEST_TMPDIR/hostile"
  python3 "$KNALLER_SOURCE/tests/system/hostile_archives.py" "$snapshot" "$BATS_TEST_TMPDIR/hostile"
  export KNALLER_HOME=$other
  local failed=0 count=0
  while read -r name code words; do
    k snapshot import "$BATS_TEST_TMPDIR/hostile/$name" < /dev/null
    count=$((count + 1))
    if [[ $status -ne $code || $stderr != *"$words"* || ($code -ne 0 && -z $stderr) || $stderr == *$'\x1b'* ]]; then
      echo "$name: exit code $status instead of $code with '$words': $stderr"
      failed=1
    fi
    if [[ $code -eq 0 ]]; then
      [[ $(du -sk "$other/snapshots" | cut -f 1) -le $(du -sk "$home/snapshots" | cut -f 1) ]]
      knaller snapshot verify "$id" &> /dev/null
      knaller snapshot rm "$id" &> /dev/null
    fi
    nothing_arrived "$other" || { echo "after $name"; failed=1; }
  done < "$BATS_TEST_TMPDIR/hostile/expected"
  [[ $failed -eq 0 && $count -gt 100 ]]
}

@test "what is left out of a thin archive is found by its digest, or the import ends at once" {
  k_exits 0 snapshot export clean "$archive" --thin --json
  [[ $(jq -c .left_out <<< "$output") == '["vmlinux"]' ]]
  export KNALLER_HOME=$other
  k_exits 3 snapshot import "$archive"
  contains "$stderr" "vmlinux"
  nothing_arrived "$other"
  # Another kernel of that size does not do.
  make_fake_image
  chmod u+w "$other/images/fake/vmlinux"
  printf x | dd of="$other/images/fake/vmlinux" bs=1 seek=100 conv=notrunc status=none
  chmod 400 "$other/images/fake/vmlinux"
  k_exits 3 snapshot import "$archive"
  knaller image rm fake
  make_fake_image
  k_exits 0 snapshot import "$archive" --keep-name
  is_same_snapshot "$snapshot" "$other/snapshots/$id"
  [[ $other/images/fake/vmlinux -ef $other/snapshots/$id/vmlinux ]]
  k_exits 0 start -d web2 --from-snapshot clean
  # Of a VM, too, when image and snapshot are gone.
  knaller image rm fake
  knaller snapshot rm clean
  k_exits 0 snapshot import "$archive"
  is_same_snapshot "$snapshot" "$other/snapshots/$id"
}

# A directory as the Go program leaves it: $1 is the id; the state names the disk where it was made.
make_go_snapshot() {
  go=$BATS_TEST_TMPDIR/go/snapshots/$1
  mkdir -p "$go"
  cp -f "$snapshot/memory" "$snapshot/rootfs.ext4" "$go"
  chmod u+w "$go"/*
  sed "s|rootfs.ext4|/home/somebody/.local/share/knaller/snapshots/$1/rootfs.ext4|" "$snapshot/state" > "$go/state"
  printf '{"id": "%s", "vm_name": "old", "created_at": "2026-11-23T09:26:15.2Z", "vcpus": 1, "mem_size_mib": 64, "ports": null}' \
    "$1" > "$go/metadata.json"
}

@test "a directory of the Go program becomes a snapshot that is verified, named, exported and started" {
  make_go_snapshot snap_0000000a
  before=$(contents_of "$go")
  k_exits 0 snapshot import "$go" --json
  [[ $(jq -c '[.snapshot.id, .snapshot.foreign, .snapshot.engine]' <<< "$output") == '["snap_0000000a",false,"firecracker"]' ]]
  k_exits 0 snapshot verify snap_0000000a
  [[ $(contents_of "$go") == "$before" ]]
  k_exits 0 snapshot import "$go" --json
  [[ $(jq .was_there <<< "$output") == true ]]
  k_exits 0 snapshot rename snap_0000000a old
  k_exits 0 start -d --no-wait --network none web2 --from-snapshot old
  is web2 running
  k_exits 0 snapshot export old "$archive"
  export KNALLER_HOME=$other
  k_exits 0 snapshot import "$archive" --keep-name
  k_exits 0 start -d --no-wait --network none web3 --from-snapshot old
  k_exits 0 snapshot verify old
  k_exits 0 store check
}

@test "one of the Go program in this home is imported under an id of its own" {
  make_go_snapshot snap_0000000a
  mkdir "$home/snapshots/snap_0000000a"
  cp "$go"/* "$home/snapshots/snap_0000000a"
  k_exits 6 snapshot export snap_0000000a "$archive"
  contains "$stderr" "snapshot import $home/snapshots/snap_0000000a"
  k_exits 0 snapshot import "$home/snapshots/snap_0000000a" --json
  [[ $(jq -r .was <<< "$output") == snap_0000000a ]]
  new=$(jq -r .snapshot.id <<< "$output")
  k_exits 0 snapshot verify "$new"
  k_exits 0 start -d --no-wait --network none web2 --from-snapshot "$new"
  rm -rf "$home/snapshots/snap_0000000a"
}

@test "hostile directories are refused, and leave nothing" {
  cp -r "$snapshot" "$BATS_TEST_TMPDIR/dir"
  cd "$BATS_TEST_TMPDIR/dir"
  chmod u+w ./*
  refused() {
    KNALLER_HOME=$other k_exits 11 snapshot import "$BATS_TEST_TMPDIR/dir"
    nothing_arrived "$other"
    rm -rf "$1"
    cp --sparse=always "$snapshot/$1" "$1"
    chmod u+w "$1"
  }
  for name in state memory rootfs.ext4 vmlinux metadata.json manifest; do
    rm "$name" && ln -s /etc/passwd "$name" && refused "$name"
    rm "$name" && mkfifo "$name" && refused "$name"
    rm "$name" && mkdir "$name" && refused "$name"
    truncate -s +1 "$name" && refused "$name"
    printf x | dd of="$name" bs=1 seek=9 conv=notrunc status=none && refused "$name"
  done
  KNALLER_HOME=$other k_exits 0 snapshot import "$BATS_TEST_TMPDIR/dir"
  KNALLER_HOME=$other k_exits 11 snapshot import /etc
  KNALLER_HOME=$other k_exits 3 snapshot import "$BATS_TEST_TMPDIR/nosuch"
  # Of the Go program
  make_go_snapshot snap_0000000b
  printf 'no path in it' > "$go/state"
  k_exits 6 snapshot import "$go"
  make_go_snapshot snap_0000000b
  truncate -s 1M "$go/memory"
  k_exits 11 snapshot import "$go"
  make_go_snapshot snap_0000000b
  sed -i 's/snap_0000000b/..\/..\/x/' "$go/metadata.json"
  k_exits 11 snapshot import "$go"
}

@test "progress is a bar with bytes and rate on a terminal, a line elsewhere" {
  # shellcheck disable=SC2016 # meant for another shell
  k_exits 0 snapshot create web --while-paused -- bash -c 'head -c 64M /dev/urandom > "$KNALLER_SNAPSHOT_DIR/more"'
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" progress "$output"
  k_exits 0 snapshot export "$output" "$BATS_TEST_TMPDIR/file"
  lacks "$stderr" "[#"
  [[ $(grep -c exporting <<< "$stderr") -eq 1 ]]
}

@test "too little room is said before anything is written" {
  export_it
  unshare --user --map-current-user --keep-caps --mount mount -t tmpfs none /mnt 2> /dev/null ||
    skip "no mounts in a user namespace here"
  # shellcheck disable=SC2016 # meant for another shell
  k_exits 0 snapshot create web --while-paused -- bash -c 'head -c 8M /dev/urandom > "$KNALLER_SNAPSHOT_DIR/more"'
  knaller snapshot export "$output" "$BATS_TEST_TMPDIR/more.tar.zst"
  cat > "$BATS_TEST_TMPDIR/small" << 'END'
knaller snapshot import "$BATS_TEST_TMPDIR/more.tar.zst" 2> "$BATS_TEST_TMPDIR/err" && exit 1
[[ $? -eq 10 ]]
grep -q 'free in' "$BATS_TEST_TMPDIR/err"
[[ -z $(find "$KNALLER_HOME/snapshots" -mindepth 1) ]]
END
  # shellcheck disable=SC2016 # meant for another shell
  unshare --user --map-current-user --keep-caps --mount bash -e -c '
    mount -t tmpfs -o size=12m,mode=0700 none /mnt && head -c 6M /dev/zero > /mnt/filler
    KNALLER_HOME=/mnt/home bash -e "$BATS_TEST_TMPDIR/small"'
}

@test "a SIGKILL at any moment leaves nothing behind the next command" {
  export_it
  local at pid
  for at in 0 1 2 4 8 16 32 64 128; do
    KNALLER_HOME=$other knaller snapshot import "$archive" &> /dev/null &
    pid=$!
    python3 -c "import sys, time; time.sleep(int(sys.argv[1]) / 1000)" "$at"
    kill -KILL "$pid" 2> /dev/null || true
    wait "$pid" || true
    KNALLER_HOME=$other knaller snapshot ls > /dev/null
    [[ -z $(find "$other/snapshots" -mindepth 1 -maxdepth 1 -name '.*') ]]
    if [[ -e $other/snapshots/$id ]]; then KNALLER_HOME=$other knaller snapshot verify "$id" && KNALLER_HOME=$other knaller snapshot rm "$id"; fi
    nothing_arrived "$other"
    knaller snapshot export clean "$BATS_TEST_TMPDIR/killed" &> /dev/null &
    pid=$!
    python3 -c "import sys, time; time.sleep(int(sys.argv[1]) / 1000)" "$at"
    kill -KILL "$pid" 2> /dev/null || true
    wait "$pid" || true
    if [[ -e $BATS_TEST_TMPDIR/killed ]]; then cmp "$archive" "$BATS_TEST_TMPDIR/killed"; fi
    rm -f "$BATS_TEST_TMPDIR/killed"
    [[ -z $(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name '.killed*') ]]
  done
}
