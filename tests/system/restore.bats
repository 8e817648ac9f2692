# Restores: everything is checked before anything is touched, each check fails as it should, and a snapshot's own files are never
# opened for writing.
# shellcheck disable=SC2154,SC2030,SC2031 # bats' run and common.bash set them; each test is a shell of its own
load common

setup() {
  system_setup
  k_exits 0 start -d web --mem 128
  k_exits 0 snapshot create web
  id=$output
  snapshot=$KNALLER_HOME/snapshots/$id
}
teardown() { system_teardown; }

# Changes metadata.json as this python does with `m`, and makes the manifest fit again: another host's snapshot, undamaged.
rewrite() {
  chmod u+w "$snapshot"/{metadata.json,manifest}
  python3 - "$snapshot" "$1" << 'PY'
import json, sys
folder, change = sys.argv[1:]
m = json.load(open(folder + "/metadata.json"))
exec(change)
text = json.dumps(m).encode()
open(folder + "/metadata.json", "wb").write(text)
PY
  "$KNALLER_SOURCE/tests/lib/sign-again" "$snapshot" metadata.json
}

# A state whose disk is the file $1, and of which the digests are right.
rewrite_state() {
  chmod u+w "$snapshot"/{state,manifest}
  python3 - "$snapshot" "$1" << 'PY'
import json, sys
folder, disk = sys.argv[1:]
state = json.load(open(folder + "/state"))
state["drives"][0]["path_on_host"] = disk
text = json.dumps(state).encode()
open(folder + "/state", "wb").write(text)
PY
  "$KNALLER_SOURCE/tests/lib/sign-again" "$snapshot" state
}

# The restore and its check both end with this code, the row of this name is the first that failed and says this, and nothing is left.
refused() {
  local code=$1 row=$2 text=$3
  shift 3
  k_exits "$code" start -d web2 --from-snapshot "$id" "$@"
  contains "$stderr" "$row: "
  contains "$stderr" "$text"
  contains "$stderr" "--check"
  [[ $(ls -A "$KNALLER_HOME/vms") == web ]]
  k_exits "$code" start web2 --from-snapshot "$id" --check "$@"
  contains "$output" "✗ $row "
  contains "$output" "$text"
  k_exits "$code" start web2 --from-snapshot "$id" --check --json "$@"
  [[ $(jq -r '[.checks[] | select(.result == "failed")][0].name' <<< "$output") == "$row" ]]
  [[ $(jq .ok <<< "$output") == false ]]
  [[ $(ls -A "$KNALLER_HOME/vms") == web ]]
  no_lock_held
}

# --force passes over that.
forced() {
  k_exits 0 start web2 --from-snapshot "$id" --check --force
  contains "$output" "! $1 "
  contains "$output" "passed over"
  k_exits 0 start -d web2 --from-snapshot "$id" --force
  k_exits 0 rm -f web2
}

not_forced() { k_exits "$1" start -d web2 --from-snapshot "$id" --force; }

@test "a snapshot that can be started: every row passes, the code is 0, and nothing is made" {
  k_exits 0 start --from-snapshot "$id" --check
  for row in format files engine 'state version' CPU TSC 'disk space' 'file system' name network; do
    contains "$output" "✓ $row "
  done
  lacks "$output" "✗"
  k_exits 0 start web2 --from-snapshot "$id" --check --json --verify
  [[ $(jq .ok <<< "$output") == true ]]
  [[ $(jq -r '.checks[] | select(.name == "files").detail' <<< "$output") == *"everything read"* ]]
  [[ $(jq -r '[.checks[] | select(.result == "failed")] | length' <<< "$output") -eq 0 ]]
  [[ $(ls -A "$KNALLER_HOME/vms") == web ]]
}

@test "damage is found: of the state and the metadata always, of everything with --verify" {
  flip() { chmod u+w "$snapshot/$1"; printf X | dd of="$snapshot/$1" bs=1 seek="$2" conv=notrunc status=none; }
  flip memory 1048600
  k_exits 0 start -d web2 --from-snapshot "$id"
  k_exits 0 rm -f web2
  refused 11 files "'memory' is damaged" --verify
  flip state 10
  refused 11 files "'state' is damaged"
  not_forced 11
}

@test "files that are missing or of another size or kind are refused" {
  mv "$snapshot/memory" "$BATS_TEST_TMPDIR/memory"
  refused 11 files "memory"
  truncate -s 64M "$snapshot/memory"
  refused 11 files "'memory' has 67108864 bytes"
  rm -f "$snapshot/memory"
  ln -s "$BATS_TEST_TMPDIR/memory" "$snapshot/memory"
  refused 11 files "memory"
  not_forced 11
}

@test "a file of another user is refused, whatever is forced" {
  with_other_users sh -c 'chown 1:1 "$1" && chmod 444 "$1"' sh "$snapshot/memory"
  refused 9 "files" "belongs to user"
  not_forced 9
  with_other_users chown 0:0 "$snapshot/memory"
}

@test "a newer format is unsupported, and damage that looks like one is damage" {
  rewrite 'm["format"] = 2'
  refused 6 format "of format 2"
  not_forced 6
  chmod u+w "$snapshot/metadata.json"
  sed -i 's/"format": 2/"format": 3/' "$snapshot/metadata.json"
  refused 11 files "metadata.json"
}

@test "a state of another kind of engine is unsupported" {
  rewrite 'm["engine"] = "qemu"'
  refused 6 engine "its state is of qemu"
  not_forced 6
}

@test "a state that the engine can't read is unsupported, whatever is forced" {
  refused 6 'state version' "version 10.0.0" --engine "$(engine_with '{"version": "1.13.2", "state_version": "8.0.0"}')"
  rewrite 'm["state_version"] = "10.1.0"'
  refused 6 'state version' "reads 10.0.0"
  not_forced 6
  k_exits 0 start --from-snapshot "$id" --check --engine "$(engine_with '{"version": "1.16.9", "state_version": "10.2.0"}')"
}

@test "a state of an engine that is not known to fit is judgement" {
  rewrite 'del m["state_version"]; m["engine_version"] = "1.15.0"'
  refused 6 'state version' "not known"
  forced 'state version'
}

@test "another engine of the same family may be named" {
  other=$(engine_with '{"version": "1.16.9", "state_version": "10.0.0"}')
  k_exits 0 start -d web2 --from-snapshot "$id" --engine "$other"
  [[ $(knaller inspect web2 | jq -r .engine_version) == 1.16.9 ]]
  # Another program in its place is asked anew.
  cp "$(engine_with '{"version": "1.13.2", "state_version": "8.0.0"}')" "$other.new"
  mv "$other.new" "$other"
  k_exits 6 start -d web3 --from-snapshot "$id" --engine "$other"
  k_exits 3 start -d web3 --from-snapshot "$id" --engine /nowhere/firecracker
}

@test "another processor: one of another maker is refused, another model or fewer instructions are judgement" {
  cp -r "$snapshot" "$BATS_TEST_TMPDIR/kept"
  again() { rm -rf "$snapshot"; cp -r "$BATS_TEST_TMPDIR/kept" "$snapshot"; }
  rewrite 'm["cpu"]["vendor"] = "GenuineOther"'
  refused 6 CPU "it was taken on"
  not_forced 6
  again
  rewrite 'm["cpu"]["model"] += 1'
  refused 6 CPU "it was taken on"
  forced CPU
  again
  rewrite 'm["cpu"]["features"] = "fma4 " + " ".join(f for f in m["cpu"]["features"].split() if f != "fma4")'
  grep -qw fma4 /proc/cpuinfo || refused 6 CPU "lacks fma4"
}

@test "another time stamp counter is judgement, unless the processor makes up for it" {
  rewrite 'm["tsc_khz"] = m["tsc_khz"] * 2'
  if grep -qw -e tsc_scale -e tsc_scaling /proc/cpuinfo; then
    k_exits 0 start --from-snapshot "$id" --check
    contains "$output" "makes up for it"
  else
    refused 6 TSC "apart"
    forced TSC
  fi
}

@test "a name that is taken, and a network or ports that its guest has no device for, are refused" {
  k_exits 5 start -d web --from-snapshot "$id"
  contains "$stderr" "there is a VM 'web' already"
  refused 6 network "no network device" --network rootless
  refused 6 network "no port can be forwarded" --port 0:80
  k_exits 2 start -d web2 --check
  k_exits 2 start -d web2 --verify
}

@test "an existing check leaves no trace in the snapshot" {
  before=$(cd "$snapshot" && stat -c '%n %i %Y %Z %s %a' . ./* && sha256sum ./*)
  k_exits 0 start --from-snapshot "$id" --check --verify
  after=$(cd "$snapshot" && stat -c '%n %i %Y %Z %s %a' . ./* && sha256sum ./*)
  [[ $before == "$after" ]]
}

@test "a taken port names its holder, and nothing is touched" {
  with_network
  k_exits 0 start -d wired --mem 128 --no-wait
  k_exits 0 snapshot create wired
  id=$output
  k_exits 0 rm -f wired
  python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True); time.sleep(600)' > "$BATS_TEST_TMPDIR/port" 3>&- &
  children+=("$!")
  within 3000 test -s "$BATS_TEST_TMPDIR/port"
  port=$(< "$BATS_TEST_TMPDIR/port")
  refused 8 ports "host port 127.0.0.1:$port is held by python3" --port "$port:80"
  k_exits 0 start -d web3 --no-wait --from-snapshot "$id" --port 0:80
  taken=$(knaller inspect web3 | jq '.ports[0].Host')
  k_exits 8 start -d web2 --from-snapshot "$id" --port "$taken:80"
  contains "$stderr" "host port $taken is held by VM 'web3'"
}

@test "a clone may be cut off the network: it runs, nobody reaches it, and its snapshots keep the device" {
  with_network
  k_exits 0 start -d wired --mem 128 --no-wait
  k_exits 0 snapshot create wired
  id=$output
  k_exits 2 start -d alone --from-snapshot "$id" --network none --port 0:80
  k_exits 0 start -d alone --from-snapshot "$id" --network none
  [[ $(knaller inspect alone | jq -c '[.network, .agent, .renewed]') == '["none",false,false]' ]]
  look_at alone
  for pid in "${processes[@]}"; do [[ $(< "/proc/$pid/comm") != pasta* ]]; done
  k_exits 125 exec alone -- true
  contains "$stderr" "has no agent to run a command by"
  k_exits 0 snapshot create alone
  id=$output
  k_exits 0 start -d alone2 --from-snapshot "$id"
  [[ $(knaller inspect alone2 | jq -r .network) == none ]]
  k_exits 0 start -d wired2 --no-wait --from-snapshot "$id" --network rootless --port 0:22
  [[ $(knaller inspect wired2 | jq -r '"\(.network) \(.ports[0].Host > 0)"') == "rootless true" ]]
  k_exits 0 stop alone
  k_exits 0 start -d alone
  is alone running
}

# Tells every opening for writing and every change of these files, under whatever name they are opened.
watch_writes() {
  python3 -c 'import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_CLOEXEC)
names = {}
for path in sys.argv[1:]:
    # IN_MODIFY, IN_CLOSE_WRITE
    names[libc.inotify_add_watch(fd, path.encode(), 0x2 | 0x8)] = path
    assert -1 not in names, path
print("watching", flush=True)
while True:
    data = os.read(fd, 65536)
    while data:
        watch, mask, _, size = struct.unpack_from("iIII", data)
        print(names[watch], hex(mask), flush=True)
        data = data[16 + size:]' "$@" > "$BATS_TEST_TMPDIR/writes" 3>&- &
  children+=("$!")
  within 3000 grep -q watching "$BATS_TEST_TMPDIR/writes"
}

@test "a snapshot's files are never opened for writing: start, snapshot, stop, start and rm of clones" {
  before=$(cd "$snapshot" && sha256sum ./*)
  # One that is written to shows that the watch sees it, also through a second name.
  echo > "$BATS_TEST_TMPDIR/first"
  ln "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
  watch_writes "$snapshot"/* "$BATS_TEST_TMPDIR/first"
  ticking=$(engine_with '{"guest": {"tick_ms": 1}}')
  k_exits 0 start --from-snapshot "$id" --check --verify
  k_exits 0 start -d web2 --from-snapshot "$id" --engine "$ticking"
  k_exits 0 start -d web3 --from-snapshot "$id" --engine "$ticking"
  k_exits 0 snapshot create web2
  child=$output
  k_exits 0 start -d web4 --from-snapshot "$child" --engine "$ticking"
  k_exits 0 snapshot rm "$child"
  k_exits 0 pause web3
  k_exits 0 stop web2
  k_exits 0 start -d web2
  k_exits 0 rm -f web2 web3 web4
  [[ $(cd "$snapshot" && sha256sum ./*) == "$before" ]]
  : >> "$BATS_TEST_TMPDIR/second"
  within 3000 grep -q first "$BATS_TEST_TMPDIR/writes"
  [[ $(grep -vc -e watching -e /first "$BATS_TEST_TMPDIR/writes") -eq 0 ]] || { cat "$BATS_TEST_TMPDIR/writes"; return 1; }
}

@test "what could not be renewed is said at once, and shown later" {
  k_exits 0 start -d web2 --from-snapshot "$id"
  contains "$stderr" "was not renewed"
  seen=$(knaller inspect web2)
  [[ $(jq .renewed <<< "$seen") == false ]]
  [[ $(jq -r .renew_reason <<< "$seen") == *"no agent of knaller's"* ]]
  [[ $(knaller ls --json | jq -r '.vms[] | select(.name == "web2").renewed') == false ]]
  k_exits 0 start -d web3 --no-wait --from-snapshot "$id"
  [[ $(knaller inspect web3 | jq -r .renew_reason) == *"--no-wait"* ]]
}

@test "a state that names other files of the user's reaches none of them" {
  victim=$BATS_TEST_TMPDIR/victim
  head -c 8M /dev/urandom > "$victim"
  before=$(sha256sum "$victim")
  rewrite_state rootfs.ext4
  k_exits 0 start -d web2 --from-snapshot "$id"
  k_exits 0 rm -f web2
  for path in "$victim" "../../../../victim" "/proc/self/root$victim" "../vm.json" /etc/passwd; do
    rewrite_state "$path"
    k start -d web2 --from-snapshot "$id"
    echo "$path: $status $stderr"
    [[ $status -ne 0 && -n $stderr ]]
    lacks "$stderr" "root:"
    [[ -z $(state_of web2) ]]
  done
  [[ $(sha256sum "$victim") == "$before" ]]
  is web running
}
