# `snapshot verify`: finds every damage there can be, names its file and offset, and calls nothing whole that can't be checked.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() {
  system_setup
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web --name clean --label stage=ci
  id=$output
  snapshot=$KNALLER_HOME/snapshots/$id
}
teardown() { system_teardown; }

flip_bit_at() {
  python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    at = int(sys.argv[2]); f.seek(at); byte = f.read(1)[0]; f.seek(at); f.write(bytes([byte ^ 1 << at % 8]))' "$1" "$2"
}

# damaged FILE COMMAND...: runs the command on a copy in the file's place, and expects the damage to be found and named.
damaged() {
  local file=$snapshot/$1 name=$1
  shift
  rm -f "$BATS_TEST_TMPDIR/whole"
  cp --sparse=always -p "$file" "$BATS_TEST_TMPDIR/whole"
  cp --sparse=always --remove-destination "$BATS_TEST_TMPDIR/whole" "$file"
  chmod u+w "$file"
  "$@" "$file"
  k snapshot verify "$id" --json
  [[ $status -eq 11 ]] || { echo "$name after $*: $status $output $stderr"; return 1; }
  [[ $(jq -r '.results[0].result.status' <<< "$output") == damaged ]]
  [[ $(jq -r '.results[0].result.damages[0].file' <<< "$output") == "$name" ]] || { echo "$name: $output"; return 1; }
  found_offset=$(jq -r '.results[0].result.damages[0].offset' <<< "$output")
  [[ $(jq -r .error.code <<< "$stderr") == corrupt ]]
  rm -rf "$file"
  cp --sparse=always -p "$BATS_TEST_TMPDIR/whole" "$file"
}

gone() { rm "$1"; }
become_fifo() { rm "$1"; mkfifo "$1"; }
become_link() { cp --sparse=always "$1" "$BATS_TEST_TMPDIR/target"; ln -sf "$BATS_TEST_TMPDIR/target" "$1"; }
become_folder() { rm "$1"; mkdir "$1"; }
become_empty() { : > "$1"; }
longer() { truncate -s +1 "$1"; }
shorter() { truncate -s -1 "$1"; }
flip_first() { flip_bit_at "$1" 0; }
flip_last() { flip_bit_at "$1" $(($(stat -c %s "$1") - 1)); }

@test "a whole snapshot is ok, by id, beginning, name and with --all, and its files are not touched" {
  local before
  before=$(stat -c '%n %Y %Z %a' "$snapshot"/*)
  for few in "${id:0:8}" "${id:5:1}" snap s; do k_exits 3 snapshot verify "$few"; done
  for reference in "$id" "${id:0:9}" clean; do
    k_exits 0 snapshot verify "$reference"
    contains "$output" "ok"
    contains "$output" "$id"
  done
  k_exits 0 snapshot verify --all --json
  [[ $(jq -r '.results[0].result.status' <<< "$output") == ok ]]
  [[ $(jq '.results[0].result.checked_bytes' <<< "$output") -gt 1000000 ]]
  [[ $(stat -c '%n %Y %Z %a' "$snapshot"/*) == "$before" ]]
}

@test "every file: missing, cut, longer, empty, flipped, a fifo, a link to the same bytes, a folder" {
  for file in metadata.json manifest state memory rootfs.ext4 vmlinux; do
    for how in gone shorter longer become_empty flip_first flip_last become_fifo become_link become_folder; do
      damaged "$file" "$how"
    done
  done
  for how in shorter longer become_empty flip_first become_fifo become_link become_folder; do damaged labels.json "$how"; done
  k_exits 0 snapshot verify "$id"
}

@test "a flipped bit anywhere in memory or disk is found, with the 4 MiB that it lies in" {
  RANDOM=5
  for file in memory rootfs.ext4; do
    size=$(stat -c %s "$snapshot/$file")
    for _ in {1..12}; do
      at=$(((RANDOM * 32768 + RANDOM) % size))
      damaged "$file" flip_it
      [[ $found_offset == $((at / 4194304 * 4194304)) ]] || { echo "$file: $at, found $found_offset"; return 1; }
    done
  done
}
flip_it() { flip_bit_at "$1" "$at"; }

@test "a punched hole and data in a hole are found" {
  # The fake engine's memory has data; make some of it known.
  data=$(python3 -c 'import os, sys
f = os.open(sys.argv[1], os.O_RDONLY); print(os.lseek(f, 0, os.SEEK_DATA))' "$snapshot/memory")
  punch() { fallocate --punch-hole --offset "$data" --length 65536 "$1"; }
  damaged memory punch
  [[ $found_offset == $((data / 4194304 * 4194304)) ]]
}

@test "files of another snapshot in the place of this one's are found" {
  k_exits 0 snapshot create web
  other=$KNALLER_HOME/snapshots/$output
  k_exits 0 snapshot verify "$output"
  take() { cp --sparse=always --remove-destination "$other/${1##*/}" "$1"; }
  for file in metadata.json manifest; do
    k_exits 0 snapshot verify "$id"
    rm -f "$BATS_TEST_TMPDIR/whole"
    cp -p "$snapshot/$file" "$BATS_TEST_TMPDIR/whole"
    take "$snapshot/$file"
    k_exits 11 snapshot verify "$id"
    contains "$stderr" "damaged"
    cp -p --remove-destination "$BATS_TEST_TMPDIR/whole" "$snapshot/$file"
  done
  # All of it: whole, but of another id.
  rm -rf "$snapshot"
  cp -a "$other" "$snapshot"
  k_exits 11 snapshot verify "$id"
  contains "$stderr" "metadata.json"
}

@test "a file too many is found; what a killed 'snapshot label' left is not one" {
  echo odd > "$snapshot/odd"
  k_exits 11 snapshot verify "$id"
  contains "$stderr" "'odd' does not belong there"
  rm "$snapshot/odd"
  echo '{' > "$snapshot/.labels.json.0123456789ab"
  k_exits 0 snapshot verify "$id"
}

@test "one damaged of several: exit code 11, the others are ok, --quiet names the damaged" {
  k_exits 0 snapshot create web
  other=$output
  chmod u+w "$snapshot/state"
  flip_bit_at "$snapshot/state" 3
  k_exits 11 snapshot verify --all
  contains "$output" "ok"
  contains "$output" "damaged"
  contains "$stderr" "snapshot $id is damaged: 'state' is damaged in the"
  k_exits 11 snapshot verify -a -q
  [[ $output == "$id" ]]
  k_exits 0 snapshot verify "$other"
  k_exits 3 snapshot verify nothing "$other"
  contains "$output" "$other"
  k_exits 2 snapshot verify
  k_exits 2 snapshot verify --all "$id"
}

@test "a snapshot of the Go program is unverifiable, not ok; one of ours without its manifest is damaged" {
  foreign=$KNALLER_HOME/snapshots/snap_00000001
  mkdir "$foreign"
  echo '{"id": "snap_00000001", "vm_name": "old", "created_at": "2026-01-02T03:04:05Z", "vcpus": 1, "mem_size_mib": 1}' \
    > "$foreign/metadata.json"
  for file in state rootfs.ext4; do echo content > "$foreign/$file"; done
  truncate -s 1M "$foreign/memory"
  k_exits 0 snapshot verify snap_00000001
  contains "$output" "unverifiable"
  lacks "$output" "ok"
  rm "$snapshot/manifest"
  k_exits 11 snapshot verify "$id"
  contains "$stderr" "there is no 'manifest'"
}

@test "a shared file that rots after the first snapshot is damaged in the next ones, too" {
  shared=$KNALLER_HOME/vms/web/parts/vmlinux
  chmod u+w "$shared"
  flip_bit_at "$shared" 0
  chmod u-w "$shared"
  k_exits 0 snapshot create web
  later=$output
  k_exits 0 start -d clone --from-snapshot "$id"
  k_exits 0 snapshot create clone
  for each in "$id" "$later" "$output"; do
    k_exits 11 snapshot verify "$each"
    contains "$stderr" "'vmlinux' is damaged"
  done
}

@test "with --no-sync it is said in ls, inspect and JSON" {
  k_exits 0 snapshot create web --no-sync
  k_exits 0 snapshot ls
  [[ $(grep -c "not synced" <<< "$output") -eq 1 ]]
  k_exits 0 snapshot inspect "$(knaller snapshot ls -q | tail -n 1)"
  [[ $(jq .durable <<< "$output") == false ]]
  k_exits 0 snapshot inspect "$id"
  [[ $(jq .durable <<< "$output") == true ]]
  k_exits 0 snapshot ls --json
  [[ $(jq -c '[.snapshots[].durable]' <<< "$output") == "[true,false]" ]]
}

@test "one taken with --no-disk is ok without a disk" {
  k_exits 0 snapshot create web --no-disk
  k_exits 0 snapshot verify "$output"
  k_exits 0 store check
}
