# Homes on other file systems than the one that the tests happen to lie on.
# shellcheck disable=SC2016,SC2154 # scripts are for other shells; bats' run and common.bash set variables
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
