# Homes on other file systems than the one that the tests happen to lie on.
# shellcheck disable=SC2016,SC2154,SC2030,SC2031 # scripts are for other shells, common.bash sets variables; each test is a subshell
load common

setup() { system_setup; }
teardown() {
  system_teardown
  mountpoint -q "$BATS_TEST_TMPDIR/mounted" && umount "$BATS_TEST_TMPDIR/mounted"
  return 0
}

# What a snapshot goes through, in a home in the folder $1, whose image comes from the files in $2.
life='
  export KNALLER_HOME=$1/home
  knaller image import fake --kernel "$2/vmlinux" --rootfs "$2/rootfs.ext4"
  knaller start -d web --mem 64
  knaller snapshot create web --name one
  knaller rollback web one --no-safety
  knaller snapshot export one "$1/one.tar.zst"
  knaller snapshot rm one
  knaller snapshot import "$1/one.tar.zst" --name one
  knaller start -d web2 --from-snapshot one
  knaller snapshot create web2 --name two
  knaller snapshot verify one two
  knaller rm -f web web2
  knaller snapshot rm one two
  [[ -z $(ls -A "$1/home/vms") && -z $(ls -A "$1/home/snapshots") ]]
  knaller store check'

# The same in a mount namespace, where $1 is mounted by the words behind it.
life_on() {
  unshare --user --map-current-user --keep-caps --mount mount -t tmpfs none /mnt 2> /dev/null ||
    skip "no mounts in a user namespace here"
  local home=$1
  shift
  mkdir -p "$home"
  unshare --user --map-current-user --keep-caps --mount bash -e -c '
    home=$1 files=$2 life=$3
    shift 3
    "$@" || { echo "it can not be mounted: $*"; exit 77; }
    # A server of FUSE would keep the namespace, and this its mount, for ever.
    trap "umount --lazy $(printf %q "$home")" EXIT
    bash -e -c "$life" bash "$home" "$files"' bash "$home" "$BATS_TEST_TMPDIR/files" "$life" "$@" || {
    [[ $? -ne 77 ]] || skip "it can't be mounted in a user namespace here"
    return 1
  }
}

@test "on a tmpfs that says of no size how large it is" {
  life_on "$BATS_TEST_TMPDIR/mounted" mount -t tmpfs -o size=0,mode=0700 none "$BATS_TEST_TMPDIR/mounted"
}

@test "on an overlay" {
  mkdir "$BATS_TEST_TMPDIR"/{lower,upper,work}
  life_on "$BATS_TEST_TMPDIR/mounted" mount -t overlay -o \
    "userxattr,lowerdir=$BATS_TEST_TMPDIR/lower,upperdir=$BATS_TEST_TMPDIR/upper,workdir=$BATS_TEST_TMPDIR/work" \
    none "$BATS_TEST_TMPDIR/mounted"
}

# What FUSE shows here is the folder `behind`. Only who mounts it may use it.
fuse() {
  command -v bindfs > /dev/null || skip "there is no bindfs"
  [[ -r /dev/fuse && -w /dev/fuse ]] || skip "/dev/fuse can't be opened"
  mkdir -p "$BATS_TEST_TMPDIR/behind" "$BATS_TEST_TMPDIR/mounted"
  fuse=(bindfs --no-allow-other "$BATS_TEST_TMPDIR/behind" "$BATS_TEST_TMPDIR/mounted")
}

@test "on FUSE, where knaller is told that this host alone uses the home" {
  fuse
  export KNALLER_ALLOW_NETWORK_HOME=1
  life_on "$BATS_TEST_TMPDIR/mounted" "${fuse[@]}"
}

@test "on FUSE, of which nobody has said so" {
  fuse
  life='KNALLER_HOME=$1/home knaller ls || { echo "exit code $?"; ls -A "$1/home"; }'
  run life_on "$BATS_TEST_TMPDIR/mounted" "${fuse[@]}"
  [[ $status -ne 0 ]] || contains "$output" "it lies on FUSE"
  contains "$output" "--allow-network-home"
  [[ ${lines[-1]} == "exit code 6" ]]
}

@test "on FUSE, as root, whose engines are somebody else" {
  [[ $EUID -eq 0 ]] || skip "only root's engines are"
  fuse
  "${fuse[@]}" 3>&- || skip "FUSE can't be mounted here"
  export KNALLER_HOME=$BATS_TEST_TMPDIR/mounted/home KNALLER_ALLOW_NETWORK_HOME=1
  knaller image import fake --kernel "$BATS_TEST_TMPDIR/files/vmlinux" --rootfs "$BATS_TEST_TMPDIR/files/rootfs.ext4"
  k_exits 6 start -d web
  contains "$stderr" "no idmapped mounts"
  nothing_left
}

# A file of $2 bytes with a file system of the type $1, mounted.
mount_image() {
  [[ $EUID -eq 0 ]] || skip "only root may mount images"
  PATH=$PATH:/sbin:/usr/sbin
  command -v "mkfs.$1" > /dev/null || skip "there is no mkfs.$1"
  truncate -s "$2" "$BATS_TEST_TMPDIR/image"
  "mkfs.$1" -q "$BATS_TEST_TMPDIR/image"
  mkdir "$BATS_TEST_TMPDIR/mounted"
  mount -o loop "$BATS_TEST_TMPDIR/image" "$BATS_TEST_TMPDIR/mounted" || skip "$1 can't be mounted here"
}

# A disk with as much in it as would not fit a second time: it is shared, so nothing is refused for want of room.
fill_root_disk() {
  PATH=$PATH:/sbin:/usr/sbin
  head -c 120M /dev/urandom > "$BATS_TEST_TMPDIR/random"
  truncate -s 160M "$BATS_TEST_TMPDIR/files/rootfs.ext4"
  mke2fs -q -F -t ext4 -O ^has_journal "$BATS_TEST_TMPDIR/files/rootfs.ext4"
  debugfs -w -R "write $BATS_TEST_TMPDIR/random random" "$BATS_TEST_TMPDIR/files/rootfs.ext4" 2> /dev/null
}

@test "on btrfs, where a snapshot of a disk that would not fit twice takes nothing" {
  mount_image btrfs 300M
  fill_root_disk
  export KNALLER_HOME=$BATS_TEST_TMPDIR/mounted/home
  knaller image import fake --kernel "$BATS_TEST_TMPDIR/files/vmlinux" --rootfs "$BATS_TEST_TMPDIR/files/rootfs.ext4"
  knaller start -d web --mem 64
  k_exits 0 snapshot create web --name one
  k_exits 0 rollback web one --no-safety
  k_exits 0 start -d web2 --from-snapshot one
  k_exits 0 rm -f web web2
  k_exits 0 store check
}

@test "on XFS" {
  mount_image xfs 600M
  bash -e -c "$life" bash "$BATS_TEST_TMPDIR/mounted" "$BATS_TEST_TMPDIR/files"
}
