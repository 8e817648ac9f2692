# A home of format 1, as it was written, through the command line.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load ../cli/common

setup() {
  common_setup
  cp -r "$KNALLER_SOURCE/tests/compat/format1" "$KNALLER_HOME"
  cp -r "$KNALLER_SOURCE/tests/compat/format0/snapshots/snap_3d927f9e" "$KNALLER_HOME/snapshots/"
  # Modes are not git's.
  find "$KNALLER_HOME" -type d -exec chmod 700 {} +
  find "$KNALLER_HOME" -type f -exec chmod 600 {} +
  (cd "$KNALLER_HOME/snapshots/snap_0a1b2c3d" && chmod 400 base.ext4 disk.ext4 initramfs memory ssh_key state vmlinux)
}

@test "its snapshot is listed, whole and protected" {
  k_exits 0 snapshot ls --json
  [[ $(jq -c '[.snapshots[] | [.id, .foreign, .protected, .durable, .broken]]' <<< "$output") == \
    '[["snap_3d927f9e",true,false,true,null],["snap_0a1b2c3d",false,true,false,null]]' ]]
  k_exits 0 snapshot verify clean --json
  [[ $(jq -r '.results[0].result.status' <<< "$output") == ok ]]
  k_exits 0 snapshot verify snap_3d927f9e --json
  [[ $(jq -r '.results[0].result.status' <<< "$output") == unverifiable ]]
  k_exits 4 snapshot rm clean
  k_exits 0 snapshot label clean stage-
  k_exits 0 snapshot unprotect clean
  k_exits 0 snapshot verify clean
  k_exits 0 snapshot rm clean
}

@test "its VM is listed as it ended" {
  k_exits 0 ls -a --json
  [[ $(jq -c '.vms[0] | [.name, .state, .reason, .vcpus]' <<< "$output") == '["web","crashed","the engine was killed",2]' ]]
  k_exits 0 inspect web
  [[ $(jq -r .uuid <<< "$output") == 3c0acfbd-5148-4cd9-8474-74cc3bbb6a62 ]]
}
