# `snapshot extract` and `snapshot diff`: what is on the disks of snapshots, without starting them.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

# debugfs with what stands on standard input, on the disk of the image 'fake'.
setup() {
  PATH=$PATH:/sbin:/usr/sbin
  system_setup
  local files=$BATS_TEST_TMPDIR/guest
  mkdir -p "$files"
  cp "$KNALLER_HOME/images/fake/vmlinux" "$files/vmlinux"
  truncate -s 16M "$files/rootfs.ext4"
  mke2fs -q -F -t ext4 -E root_owner=0:0 "$files/rootfs.ext4"
  echo 'welcome' > "$files/motd"
  printf 'begin' > "$files/sparse"
  truncate -s 100M "$files/sparse"
  printf 'end' >> "$files/sparse"
  debugfs -w -f - "$files/rootfs.ext4" > /dev/null 2>&1 << REQUESTS
mkdir etc
mkdir dev
write $files/sparse sparse
symlink evil ../../../etc/passwd
symlink way /etc
cd etc
write $files/motd motd
sif motd mode 0104711
sif motd uid 70000
symlink absolute /etc/shadow
ln motd again
sif motd links_count 2
cd ../dev
mknod null c 1 3
REQUESTS
  k_exits 0 image import rescue --kernel "$files/vmlinux" --rootfs "$files/rootfs.ext4"
  k_exits 0 start -d web --image rescue --mem 64
  k_exits 0 snapshot create web --name it
  k_exits 0 rm -f web
  out=$BATS_TEST_TMPDIR/out
}
teardown() { system_teardown; }

@test "files, folders and links come out as the guest had them, less what would be dangerous here" {
  k_exits 0 snapshot extract it /etc /sparse /evil -o "$out"
  [[ $(< "$out/etc/motd") == welcome ]]
  [[ $(stat -c %a "$out/etc/motd") == 711 ]]
  [[ $out/etc/motd -ef $out/etc/again ]]
  [[ $(readlink "$out/etc/absolute") == /etc/shadow ]]
  [[ $(readlink "$out/evil") == ../../../etc/passwd ]]
  cmp "$out/sparse" "$BATS_TEST_TMPDIR/guest/sparse"
  [[ $(stat -c %b "$out/sparse") -lt 100 ]]
  [[ $(find "$out" -mindepth 1 -maxdepth 1 | wc -l) -eq 3 ]]
}

@test "a path may lead through links of the disk, and '/' is all of it" {
  k_exits 0 snapshot extract it /way/motd -o "$out"
  [[ $(< "$out/motd") == welcome ]]
  k_exits 0 snapshot extract it /way -o "$out"
  [[ $(readlink "$out/way") == /etc ]]
  k_exits 0 snapshot extract it /way/ -o "$out/followed"
  [[ $(< "$out/followed/way/motd") == welcome ]]
  k_exits 0 snapshot extract it / -o "$out/all" --json
  [[ $(jq -c '.skipped, .missing' <<< "$output" | tr -d '\n') == '["/dev/null"][]' ]]
  [[ -d $out/all/lost+found && ! -e $out/all/dev/null ]]
}

@test "what is not there is told, and the rest is done" {
  k snapshot extract it /nothing /etc/motd -o "$out"
  [[ $status -eq 3 ]]
  contains "$stderr" "no '/nothing' on the disk of snap_"
  contains "$stderr" "may be in its memory only"
  [[ $(< "$out/motd") == welcome ]]
  k_exits 2 snapshot extract it /etc/motd /way/motd -o "$out"
  k_exits 2 snapshot extract it /etc/../etc/motd -o "$out"
  k_exits 3 snapshot extract no-such-one /etc -o "$out"
}

@test "'-o -' is a tar that knows holes, owners and links, and the snapshot is as it was" {
  local before
  before=$(stat -c '%n %Y %Z %a' "$KNALLER_HOME"/snapshots/*/*)
  knaller snapshot extract it / -o - > "$BATS_TEST_TMPDIR/tar"
  [[ $(stat -c %s "$BATS_TEST_TMPDIR/tar") -lt 1000000 ]]
  tar --numeric-owner -tvf "$BATS_TEST_TMPDIR/tar" | tee "$BATS_TEST_TMPDIR/list"
  grep -qE -- '^-rwx--x--x 70000/0 .* etc/(motd|again)$' "$BATS_TEST_TMPDIR/list"
  mkdir "$out"
  tar -xf "$BATS_TEST_TMPDIR/tar" --no-same-owner -C "$out"
  cmp "$out/sparse" "$BATS_TEST_TMPDIR/guest/sparse"
  [[ $out/etc/motd -ef $out/etc/again ]]
  k_exits 0 snapshot verify it
  [[ $(stat -c '%n %Y %Z %a' "$KNALLER_HOME"/snapshots/*/*) == "$before" ]]
}

@test "nothing is written through links that lie in the destination" {
  mkdir -p "$out" "$BATS_TEST_TMPDIR/elsewhere"
  ln -s "$BATS_TEST_TMPDIR/elsewhere" "$out/etc"
  k snapshot extract it /etc -o "$out"
  [[ $status -ne 0 ]]
  [[ -z $(ls "$BATS_TEST_TMPDIR/elsewhere") ]]
}

@test "a damaged disk is an error, and a snapshot without a disk says so" {
  local disk
  disk=$(echo "$KNALLER_HOME"/snapshots/*/rootfs.ext4)
  chmod u+w "$disk"
  dd if=/dev/urandom of="$disk" bs=1k seek=1 count=1 conv=notrunc status=none
  k_exits 11 snapshot extract it /etc -o "$out"
  k_exits 0 start -d web --image rescue --mem 64
  k_exits 0 snapshot create web --name bare --no-disk
  k_exits 6 snapshot extract bare /etc -o "$out"
}

@test "names that lead elsewhere are damage" {
  local disk
  disk=$(echo "$KNALLER_HOME"/snapshots/*/rootfs.ext4)
  chmod u+w "$disk"
  debugfs -w -R "mknod ../../x p" "$disk"
  k_exits 11 snapshot extract it / -o "$out"
  contains "$stderr" "a file is called '../../x'"
}

@test "a difference of two snapshots: files, memory, devices and settings" {
  local disk
  k_exits 0 start -d web --from-snapshot it
  k_exits 0 snapshot create web --name later
  disk=$KNALLER_HOME/snapshots/$output/rootfs.ext4
  k_exits 0 snapshot diff it later
  contains "$output" "files: 0 added, 0 changed, 0 removed"
  chmod u+w "$disk"
  debugfs -w -f - "$disk" > /dev/null 2>&1 << REQUESTS
rm evil
sif etc/motd mode 0100644
symlink new there
REQUESTS
  k_exits 0 snapshot diff it later
  contains "$output" "~ /etc/motd (mode)"
  contains "$output" "- /evil"
  contains "$output" "+ /new"
  contains "$output" "files: 1 added, 2 changed, 1 removed"
  contains "$output" "pages differ"
  k_exits 0 snapshot diff later it --json
  [[ $(jq -r '.files[] | select(.path == "/evil") | .change + " " + .type' <<< "$output") == "added link" ]]
  [[ $(jq '.memory.pages' <<< "$output") -eq 16384 ]]
  [[ $(jq -c '.files_reason' <<< "$output") == null ]]
  [[ $(jq -c '[.devices.same, .settings]' <<< "$output") == '[true,[]]' ]]
  k_exits 3 snapshot diff it nothing-of-that-name

  k_exits 0 start -d other --mem 64 --cpus 2 --on-reboot stop
  k_exits 0 snapshot create other --name another
  k_exits 0 snapshot diff it another
  contains "$output" "vcpus: 1 -> 2"
  contains "$output" "on_reboot: restart -> stop"
  contains "$output" "devices: "
  k_exits 0 snapshot diff it another --json
  [[ $(jq '.devices.same' <<< "$output") == false ]]
}

@test "--disk-only boots the disk cold, though memory and devices are damaged" {
  local snapshot
  snapshot=$(echo "$KNALLER_HOME"/snapshots/*)
  rm "$snapshot/memory"
  chmod u+w "$snapshot/state"
  echo damaged > "$snapshot/state"
  k_exits 11 start -d again --from-snapshot it
  k_exits 0 start --from-snapshot it --disk-only --check --json
  [[ $(jq -r '[.checks[].name] | join(" ")' <<< "$output") == "format files engine kernel memory CPUs limits disk space file system name network egress" ]]
  k_exits 0 start -d again --from-snapshot it --disk-only
  cmp "$snapshot/rootfs.ext4" "$KNALLER_HOME/vms/again/jail/rootfs.ext4"
  k_exits 0 inspect again
  contains "$output" '"memory_mib": 64'
  k_exits 0 stop again
  k_exits 0 start -d again
  k_exits 0 snapshot create again
  k_exits 2 start -d other --disk-only
}

@test "a state of the other engine is refused with a word on --disk-only, and then its disk is booted" {
  local metadata
  metadata=$(echo "$KNALLER_HOME"/snapshots/*/metadata.json)
  k_exits 6 start -d again --from-snapshot it --engine "$KNALLER_BUILD/bin/knaller-qemu" --check
  k start -d again --from-snapshot it --engine "$KNALLER_BUILD/bin/knaller-qemu"
  [[ $status -eq 6 ]]
  contains "$stderr" "--disk-only"
  k_exits 0 start --from-snapshot it --engine "$KNALLER_BUILD/bin/knaller-qemu" --disk-only --check
}
