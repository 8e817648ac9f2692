# `store du` and `store check`: sums that agree with du, everything that is left behind or wrong found, and repairs that free what
# they say and touch nothing that anybody needs.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

taken() { du -s --block-size=1 "$KNALLER_HOME" | cut -f 1; }
settle() {
  knaller stop --all > /dev/null
  sync -f "$KNALLER_HOME"
}
total() { knaller store du --json | jq ".total.$1"; }
row() { knaller store du --json | jq ".rows[] | select(.name == \"$1\") | .$2"; }

# What the check finds, "KIND PATH" lines.
found() { knaller store check --json 2> /dev/null | jq -r '.findings[] | .kind + " " + .path'; }

# check FILTER: a repair mends exactly what it announced, to the byte, and then the store is clean.
repaired_to_the_byte() {
  sync -f "$KNALLER_HOME"
  k_exits 11 store check --json
  announced=$(jq .freeable_bytes <<< "$output")
  json_code=$(jq -r .error.code <<< "$stderr")
  [[ $json_code == corrupt ]]
  before=$(taken)
  k_exits 0 store check --repair --json
  freed=$(jq .freed_bytes <<< "$output")
  echo "announced $announced, said $freed, was $((before - $(taken)))"
  [[ $freed -eq $((before - $(taken))) && $announced -eq $freed ]]
  k_exits 0 store check
}

@test "store du: rows and total agree with du, and with what comes free" {
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web
  id=$output
  k_exits 0 start -d web2 --from-snapshot "$id"
  k_exits 0 snapshot create web2
  echo theirs > "$KNALLER_HOME/vmlinux"
  settle
  [[ $(total allocated_bytes) -eq $(taken) ]]
  k_exits 0 store du --json
  [[ $(jq '[.rows[].exclusive_bytes] | add' <<< "$output") -eq $(jq .total.exclusive_bytes <<< "$output") ]]
  [[ $(jq '.rows | all(.allocated_bytes == .shared_bytes + .exclusive_bytes)' <<< "$output") == true ]]
  [[ $(row "$id" shared_bytes) -gt 0 && $(row web apparent_bytes) -gt 8000000 ]]
  exclusive=$(row "$id" exclusive_bytes)
  before=$(du -s -c --block-size=1 "$KNALLER_HOME"/{vms,snapshots,images} | tail -n 1 | cut -f 1)
  k_exits 0 snapshot rm "$id"
  [[ $((before - $(du -s -c --block-size=1 "$KNALLER_HOME"/{vms,snapshots,images} | tail -n 1 | cut -f 1))) -eq $exclusive ]]
  k_exits 0 store du
  contains "$output" "total"
  [[ $(knaller store du --bytes | awk '/^total/ {print $3}') -eq $(taken) ]]
}

@test "a store with running, paused and stopped VMs and snapshots is clean, and a repair touches nothing" {
  k_exits 0 start -d web --mem 64
  k_exits 0 start -d held --mem 64
  k_exits 0 start -d off --mem 64
  k_exits 0 snapshot create web --label a=b
  k_exits 0 start -d web2 --from-snapshot "$output"
  k_exits 0 pause held
  k_exits 0 stop off
  k_exits 0 store check
  [[ -z $output ]]
  before=$(cd "$KNALLER_HOME" && find . ! -name '*.log' ! -path './locks*' -printf '%p %i %m %s %T@ %C@\n' | sort)
  k_exits 0 store check --repair
  [[ -z $output ]]
  [[ $(cd "$KNALLER_HOME" && find . ! -name '*.log' ! -path './locks*' -printf '%p %i %m %s %T@ %C@\n' | sort) == "$before" ]]
  is web running && is held paused && is off stopped && is web2 running
}

@test "half-made and half-removed entries and stale locks are found and freed, to the byte" {
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web
  id=$output
  mkdir -p "$KNALLER_HOME"/vms/.new-dead/{jail,parts} "$KNALLER_HOME/snapshots/.gone-snap_00000001" "$KNALLER_HOME/images/.new-half/work"
  head -c 100000 /dev/urandom > "$KNALLER_HOME/vms/.new-dead/jail/rootfs.ext4"
  ln "$KNALLER_HOME/snapshots/$id/vmlinux" "$KNALLER_HOME/vms/.new-dead/parts/vmlinux"
  head -c 50000 /dev/urandom > "$KNALLER_HOME/snapshots/.gone-snap_00000001/memory"
  ln "$KNALLER_HOME/snapshots/.gone-snap_00000001/memory" "$KNALLER_HOME/vms/.new-dead/parts/memory"
  head -c 9000 /dev/urandom > "$KNALLER_HOME/images/.new-half/work/file"
  echo "2026-01-01T00:00:00Z 1 start" > "$KNALLER_HOME/locks/vm-dead"
  echo "2026-01-01T00:00:00Z 1 start" > "$KNALLER_HOME/locks/snap-snap_00000009"
  : > "$KNALLER_HOME/locks/image-half"
  chmod 600 "$KNALLER_HOME"/locks/*
  [[ $(found | sort) == "leftover images/.new-half
leftover locks/image-half
leftover locks/snap-snap_00000009
leftover locks/vm-dead
leftover snapshots/.gone-snap_00000001
leftover vms/.new-dead" ]]
  # Looking removed nothing.
  [[ -e $KNALLER_HOME/vms/.new-dead ]]
  repaired_to_the_byte
  [[ $freed -gt 150000 ]]
  is web running
  k_exits 0 snapshot verify "$id"
}

@test "what somebody works on is not left behind" {
  k_exits 0 start -d web --mem 64
  mkdir "$KNALLER_HOME/snapshots/.new-snap_00000001"
  echo half > "$KNALLER_HOME/snapshots/.new-snap_00000001/state"
  python3 - "$KNALLER_HOME/locks/snap-snap_00000001" 3>&- << 'PY' &
import fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK
os.write(fd, b"2026-01-01T00:00:00Z 1 snapshot create\n")
time.sleep(600)
PY
  children+=("$!")
  within 3000 test -s "$KNALLER_HOME/locks/snap-snap_00000001"
  k_exits 0 store check --repair
  [[ -z $output && -e $KNALLER_HOME/snapshots/.new-snap_00000001/state ]]
  kill -KILL "$!"
  wait "$!" || true
  [[ $(found) == "leftover snapshots/.new-snap_00000001"$'\n'"leftover locks/snap-snap_00000001" ]]
  repaired_to_the_byte
}

@test "modes are found and mended; what is the Go program's, or nobody's, stays as it is" {
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web --label a=b
  id=$output
  foreign=$KNALLER_HOME/snapshots/snap_00000001
  mkdir -m 755 "$foreign" "$KNALLER_HOME/vms/old"
  echo '{"id": "snap_00000001", "vm_name": "old", "created_at": "2026-01-02T03:04:05Z", "vcpus": 1, "mem_size_mib": 1}' \
    > "$foreign/metadata.json"
  echo disk > "$KNALLER_HOME/vms/old/rootfs.ext4"
  echo odd > "$KNALLER_HOME/snapshots/odd"
  chmod 644 "$foreign/metadata.json" "$KNALLER_HOME/vms/old/rootfs.ext4"
  [[ $(found) == "note snapshots/odd" ]]
  k_exits 0 store check
  cd "$KNALLER_HOME"
  modes() { stat -c '%n %a' . snapshots "snapshots/$id" "snapshots/$id"/* images/fake/* vms/web/vm.json vms/web/parts vms/web/parts/*; }
  modes > "$BATS_TEST_TMPDIR/modes"
  chmod 755 . snapshots "snapshots/$id"
  chmod 644 "snapshots/$id/metadata.json" "snapshots/$id/labels.json" vms/web/vm.json
  chmod 600 "snapshots/$id/memory"
  chmod 777 images/fake/vmlinux vms/web/parts
  # One file with several names (the kernel) is told of once.
  [[ $(found | grep -c ^access) -eq 9 ]]
  repaired_to_the_byte
  diff "$BATS_TEST_TMPDIR/modes" <(modes)
  [[ $(stat -c %a "$foreign" "$foreign/metadata.json" "$KNALLER_HOME/vms/old/rootfs.ext4" | tr '\n' ' ') == "755 644 644 " ]]
  [[ $(cat "$KNALLER_HOME/snapshots/odd") == odd ]]
}

@test "files of another user are found, with the command for root" {
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web
  id=$output
  cd "$KNALLER_HOME"
  with_other_users chown 1:1 "snapshots/$id/state" vms/web/vm.json
  [[ $(found | cut -d ' ' -f 1 | sort -u) == access ]]
  k_exits 11 store check --repair
  for path in "snapshots/$id/state" vms/web/vm.json; do
    contains "$output" "sudo chown $(id -u) '$KNALLER_HOME/$path'"
  done
  lacks "$output" "knaller snapshot rm"
  lacks "$output" "knaller rm"
  with_other_users chown 0:0 "snapshots/$id/state" vms/web/vm.json
  k_exits 0 store check
  is web running
}

@test "a home with a folder of another user is refused before anything in it is believed" {
  k_exits 0 ls
  with_other_users chown 1:1 "$KNALLER_HOME/vms"
  k_exits 9 ls
  contains "$stderr" "'$KNALLER_HOME/vms' is not safe to use: it belongs to the user"
  contains "$stderr" "hint:"
  with_other_users chown 0:0 "$KNALLER_HOME/vms"
  k_exits 0 ls
}

@test "damage is named with what to do, and no repair removes it" {
  k_exits 0 start -d web --mem 64
  k_exits 0 start -d other --mem 64
  k_exits 0 snapshot create web
  id=$output
  k_exits 0 stop other
  truncate -s -1 "$KNALLER_HOME/images/fake/rootfs.ext4" 2> /dev/null || chmod u+w "$KNALLER_HOME/images/fake/rootfs.ext4"
  truncate -s 4096 "$KNALLER_HOME/images/fake/rootfs.ext4"
  chmod 400 "$KNALLER_HOME/images/fake/rootfs.ext4"
  echo '{' > "$KNALLER_HOME/vms/other/vm.json"
  chmod u+w "$KNALLER_HOME/snapshots/$id/memory"
  truncate -s -4096 "$KNALLER_HOME/snapshots/$id/memory"
  chmod 400 "$KNALLER_HOME/snapshots/$id/memory"
  expected="damage images/fake
damage snapshots/$id
damage vms/other"
  [[ $(found | sort) == "$expected" ]] || { found; return 1; }
  k_exits 11 store check --repair
  contains "$output" "knaller rm -f other"
  contains "$output" "knaller snapshot rm -f $id"
  [[ $(found | sort) == "$expected" ]]
  k_exits 0 rm -f other
  k_exits 0 snapshot rm "$id"
  k_exits 0 image rm fake
  k_exits 0 store check
  is web running
}

@test "a VM whose processes were killed is told of, and what they left is removed" {
  k_exits 0 start -d web --mem 64
  look_at web
  kill -KILL "$monitor"
  within 2000 gone "${processes[@]}"
  contains "$(found)" "note vms/web"
  head -c 70000 /dev/urandom > "$KNALLER_HOME/vms/web/jail/new-memory"
  echo '{' > "$KNALLER_HOME/vms/web/.vm.json.0123456789ab"
  chmod 600 "$KNALLER_HOME/vms/web/.vm.json.0123456789ab"
  contains "$(found)" "leftover vms/web/jail/new-memory"
  contains "$(found)" "leftover vms/web/.vm.json.0123456789ab"
  contains "$(found)" "leftover vms/web/monitor.sock"
  repaired_to_the_byte
  [[ $freed -ge 74000 ]]
  is web crashed
  k_exits 0 start -d web
  is web running
}

@test "what killed processes leave of a VM is gone with the next command" {
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web
  look_at web
  kill -KILL "$monitor"
  within 2000 gone "${processes[@]}"
  for file in "$KNALLER_HOME/vms/web/.vm.json.0123456789ab" "$KNALLER_HOME/snapshots/$output/.labels.json.0123456789ab"; do
    (umask 077 && echo '{' > "$file")
  done
  is web crashed
  k_exits 0 store check
  [[ -z $(found | grep -v ^note) ]]
}

@test "the check and its repair work on a full disk" {
  on_small_disk '
    knaller start -d web --mem 64
    mkdir -p "$1/snapshots/.new-snap_00000001"
    head -c 1000000 /dev/urandom > "$1/snapshots/.new-snap_00000001/memory"
    cat /dev/zero > "$1/filler" 2> /dev/null || true
    code=0
    knaller store check --json > "$1.json" 2> /dev/null || code=$?
    [[ $code -eq 11 ]] || { echo "store check: $code"; exit 1; }
    [[ $(jq .freeable_bytes "$1.json") -ge 1000000 ]]
    before=$(du -s --block-size=1 "$1" | cut -f 1)
    [[ $(knaller store du --json | jq .total.allocated_bytes) -eq $before ]]
    knaller store check --repair --json > "$1.json"
    [[ $(jq .freed_bytes "$1.json") -eq $((before - $(du -s --block-size=1 "$1" | cut -f 1))) ]]
    knaller store check
    [[ $(knaller ls --format "{{.Name}} {{.Status}}") == "web running" ]]
    knaller rm -f web'
}

@test "what killed commands left among downloads and remembered facts goes, and not what is being written" {
  mkdir -p "$KNALLER_HOME/cache/packages"
  left=(.facts.json.0123456789ab cache/.capture.json.0123456789ab cache/packages/.status.0123456789ab)
  for file in "${left[@]}"; do
    touch -d '2 minutes ago' "$KNALLER_HOME/$file"
  done
  writing=.facts.json.fedcba987654
  touch "$KNALLER_HOME/$writing"
  exec {lock}> "$KNALLER_HOME/cache/packages/lock"
  python3 -c 'import fcntl, struct, sys; fcntl.fcntl(int(sys.argv[1]), 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))' "$lock"
  knaller ls
  [ ! -e "$KNALLER_HOME/${left[0]}" ]
  [ ! -e "$KNALLER_HOME/${left[1]}" ]
  [ -e "$KNALLER_HOME/${left[2]}" ]
  exec {lock}>&-
  knaller ls
  [ ! -e "$KNALLER_HOME/${left[2]}" ]
  [ -e "$KNALLER_HOME/$writing" ]
}
