# `snapshot export` and `snapshot import`: the same snapshot in another home, for another user, through a pipe; and what others make of
# such archives.
# shellcheck disable=SC2154 # bats' run and common.bash set them
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

export_it() { k_exits 0 snapshot export clean "$archive" "$@"; }

# Every file but the labels, which are the home's.
contents_of() { (cd "$1" && sha256sum -- $(ls -A | grep -v labels.json)); }

is_same_snapshot() {
  [[ $(contents_of "$1") == "$(contents_of "$2")" ]]
  [[ $(cd "$1" && stat -c '%n %a %s' ./*) == "$(cd "$2" && stat -c '%n %a %s' ./*)" ]]
}

@test "an exported snapshot is the same one in another home, and starts there" {
  export_it
  [[ $(stat -c %a "$archive") == 600 ]]
  contains "$stderr" "guest's memory"
  export KNALLER_HOME=$other
  k_exits 0 snapshot import "$archive"
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
  unshare --user --map-user=4711 true 2> /dev/null || skip "no user namespaces here"
  mkdir -m 777 "$BATS_TEST_TMPDIR/third"
  knaller snapshot export clean - 2> /dev/null |
    KNALLER_HOME=$BATS_TEST_TMPDIR/third/home unshare --user --map-user=4711 knaller snapshot import -
  is_same_snapshot "$snapshot" "$BATS_TEST_TMPDIR/third/home/snapshots/$id"
}

@test "two exports are the same bytes, with any number of threads, from the copy too" {
  export_it
  for threads in 1 2 7; do
    knaller snapshot export clean - --threads "$threads" 2> /dev/null | cmp - "$archive"
  done
  KNALLER_HOME=$other knaller snapshot import "$archive"
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

@test "the same again is nothing to do; another one of that id gets a new one; a name that is taken is dropped" {
  export_it
  k_exits 0 snapshot import "$archive" --json
  [[ $(jq -c '[.was_there, .was, .snapshot.id]' <<< "$output") == "[true,null,\"$id\"]" ]]
  k_exits 0 snapshot create web --name other
  # Another one of the same id: a whole snapshot whose metadata was written anew.
  cp -r "$home/snapshots/$output" "$BATS_TEST_TMPDIR/changed"
  rename_snapshot "$BATS_TEST_TMPDIR/changed" "$id"
  k_exits 0 snapshot import "$BATS_TEST_TMPDIR/changed" --json
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
import hashlib, json, os, re, sys
folder, new = sys.argv[1:]
path = os.path.join(folder, "metadata.json")
metadata = json.load(open(path)); metadata["id"] = new
text = json.dumps(metadata).encode()
os.chmod(path, 0o600); open(path, "wb").write(text)
path = os.path.join(folder, "manifest")
manifest = open(path).read()
manifest = re.sub(r"file metadata.json \d+\n0 \w+\n", f"file metadata.json {len(text)}\n0 {hashlib.sha256(text).hexdigest()}\n", manifest)
body = manifest[:manifest.rindex("end ")]
open(path, "w").write(body + f"end {hashlib.sha256(body.encode()).hexdigest()}\n")
PY
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
  zstd -q -t "$archive" 2> /dev/null || tar --zstd -t -f "$archive" > /dev/null
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

@test "a reader that goes away ends the export" {
  k_exits 0 snapshot verify clean
  knaller snapshot export clean - 2> "$BATS_TEST_TMPDIR/err" | head -c 100 > /dev/null
  no_lock_held
}
