# Snapshots that the Go program of the same name made, whole ones, started by knaller on the same Firecracker. Its guests need
# not get far for that: what is asserted is that the state loads, on a private disk, with the network that the guest remembers.

bats_require_minimum_version 1.5.0
load common

setup_file() {
  why_not=$(missing knaller-go firecracker nft)
  export why_not
  [ -z "$why_not" ] || return 0
  export HOME="$BATS_FILE_TMPDIR/home" XDG_RUNTIME_DIR="$BATS_FILE_TMPDIR/run" PATH="$KNALLER_BIN:$PATH"
  export KNALLER_HOME="$HOME/.local/share/knaller"
  unset XDG_DATA_HOME
  mkdir -p "$KNALLER_HOME" "$XDG_RUNTIME_DIR"

  knaller image build tiny
  cp "$KNALLER_HOME/images/tiny/vmlinux" "$KNALLER_HOME/vmlinux"
  truncate -s 64M "$KNALLER_HOME/rootfs.ext4"
  /sbin/mke2fs -q -F -t ext4 "$KNALLER_HOME/rootfs.ext4"
  knaller-go start --name web --mem 128 --detach
  go_snapshot=$(knaller-go snapshot --name web 2>&1 | grep -o 'snap_[0-9a-f]*' | head -n 1)
  export go_snapshot
  knaller-go stop --name web
}

teardown_file() {
  [ -n "$why_not" ] || knaller rm -f old old2 2>/dev/null || true
}

@test "a snapshot of the Go program is listed as what it is" {
  run --separate-stderr knaller snapshot ls
  [ "$status" -eq 0 ]
  [[ $output == *"$go_snapshot"* ]]
}

@test "a snapshot of the Go program starts, twice at once, and stays as it was" {
  local before after
  before=$(cd "$KNALLER_HOME/snapshots/$go_snapshot" && sha256sum -- *)
  knaller start old --detach --no-wait --engine firecracker --from-snapshot "$go_snapshot"
  knaller start old2 --detach --no-wait --engine firecracker --from-snapshot "$go_snapshot"
  run --separate-stderr knaller ls
  [[ $(grep -c running <<<"$output") -eq 2 ]]
  after=$(cd "$KNALLER_HOME/snapshots/$go_snapshot" && sha256sum -- *)
  [ "$before" = "$after" ]
}

@test "a snapshot of the Go program does not start on QEMU, and the error says why" {
  run --separate-stderr knaller start old3 --detach --engine qemu --from-snapshot "$go_snapshot"
  [ "$status" -eq 6 ]
  [[ $stderr == *"its state is of firecracker"* ]]
}

@test "a snapshot of the Go program that was imported elsewhere is verified, and starts" {
  export KNALLER_HOME="$BATS_TEST_TMPDIR/other"
  knaller snapshot import "$HOME/.local/share/knaller/snapshots/$go_snapshot"
  knaller snapshot verify "$go_snapshot"
  knaller start moved --detach --no-wait --engine firecracker --from-snapshot "$go_snapshot"
  run --separate-stderr knaller ls
  knaller rm -f moved
  [[ $output == *running* ]]
}

@test "a damaged snapshot of the Go program is refused" {
  cp -r "$KNALLER_HOME/snapshots/$go_snapshot" "$KNALLER_HOME/snapshots/snap_00000001"
  run --separate-stderr knaller start old4 --detach --no-wait --engine firecracker --from-snapshot snap_00000001
  [ "$status" -eq 11 ]
  sed -i "s/$go_snapshot/snap_00000001/" "$KNALLER_HOME/snapshots/snap_00000001/metadata.json"
  truncate -s 1M "$KNALLER_HOME/snapshots/snap_00000001/memory"
  run --separate-stderr knaller start old4 --detach --no-wait --engine firecracker --from-snapshot snap_00000001
  [ "$status" -eq 11 ]
  rm -r "$KNALLER_HOME/snapshots/snap_00000001"
}
