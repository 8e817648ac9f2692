# Snapshots of real guests: memory and disk of one instant, generation after generation, and clones that go on from there.
# shellcheck disable=SC2154 # bats' run sets them
# shellcheck disable=SC2016 # meant for another shell
bats_require_minimum_version 1.5.0
load ../lib/processes

# The whole is 50 snapshots and 20 generations.
snapshots=$((5 * ${KNALLER_THOROUGH:-1}))
generations=$((KNALLER_THOROUGH > 1 ? 20 : 4))

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home"
  knaller image build tiny
}

teardown_file() {
  knaller rm -f --all > /dev/null 2>&1 || true
}

@test "memory and disk are of one instant, whatever the guest writes" {
  command -v cc > /dev/null || skip "there is no C compiler"
  cc -O2 -Wall -Werror -static -o "$BATS_TEST_TMPDIR/counter" "$BATS_TEST_DIRNAME/counter.c"
  knaller start count --detach --memory 256
  knaller cp "$BATS_TEST_TMPDIR/counter" count:/root/counter
  # On the private disk itself, not through the overlay.
  knaller exec count -- sh -c '/root/counter /var/lib/knaller/count > /root/out 2>&1 < /dev/null &
    until grep -q counting /root/out; do sleep 0.1; done; sync'
  for way in outside engine; do
    for _ in $(seq "$snapshots"); do
      id=$(knaller snapshot create count --no-sync --capture "$way" --max-pause 60s)
      # With the journal replayed, as a guest would find it.
      knaller snapshot extract "$id" /var/lib/knaller/count -o "$BATS_TEST_TMPDIR/$id"
      run python3 "$BATS_TEST_DIRNAME/one_instant.py" "$KNALLER_HOME/snapshots/$id/memory" "$BATS_TEST_TMPDIR/$id/count"
      echo "$way $id: $output"
      [ "$status" -eq 0 ]
      knaller snapshot rm "$id"
    done
    # The guest has never stopped counting.
    knaller exec count -- pidof counter
  done
  knaller rm -f count
}

# More than the page cache is asked about, and more than is kept in memory until the guest runs again.
@test "of a disk that is rewritten all the time, every block is of the instant" {
  command -v cc > /dev/null || skip "there is no C compiler"
  cc -O2 -Wall -Werror -static -o "$BATS_TEST_TMPDIR/counter" "$BATS_TEST_DIRNAME/counter.c"
  knaller start sweep --detach --memory 256
  knaller cp "$BATS_TEST_TMPDIR/counter" sweep:/root/counter
  knaller exec sweep -- sh -c '/root/counter /var/lib/knaller/count 100 > /root/out 2>&1 < /dev/null &
    until grep -q counting /root/out; do sleep 0.1; done; sync; sleep 3'
  touched=0
  for _ in 1 2 3; do
    id=$(knaller snapshot create sweep --no-sync --max-pause 60s --while-paused -- \
      sh -c 'fincore --bytes --noheadings --output RES "$1" > "$KNALLER_SNAPSHOT_DIR/touched"' sh "$KNALLER_HOME/vms/sweep/jail/disk.ext4")
    now=$(tr -d ' ' < "$KNALLER_HOME/snapshots/$id/touched")
    echo "$id: $((now >> 20)) MiB were in the page cache"
    ((now <= touched)) || touched=$now
    knaller snapshot extract "$id" /var/lib/knaller/count -o "$BATS_TEST_TMPDIR/$id"
    run python3 "$BATS_TEST_DIRNAME/one_instant.py" "$KNALLER_HOME/snapshots/$id/memory" "$BATS_TEST_TMPDIR/$id/count" 100
    echo "$id: $output"
    [ "$status" -eq 0 ]
    knaller snapshot rm "$id"
  done
  knaller exec sweep -- pidof counter
  knaller rm -f sweep
  ((touched > 64 << 20))
}

# What each generation adds in memory (a tmpfs) and on the disk must be in all later ones.
@test "a chain of generations, and clones of the last at once, have all that was ever written" {
  knaller start g0 --detach --memory 256
  knaller exec g0 -- sh -c 'mkdir /run/kept && head -c 3000000 /dev/urandom > /run/kept/0 && cp /run/kept/0 /root/0'
  for ((i = 1; i <= generations; i++)); do
    # Long enough that pages which the guest freed are given to others.
    knaller exec "g$((i - 1))" -- sh -c "head -c 3000000 /dev/urandom > /run/kept/$i && cp /run/kept/$i /root/$i && sync"
    sums=$(knaller exec "g$((i - 1))" -- sh -c 'cat /run/kept/* /root/[0-9]* | sha256sum')
    id=$(knaller snapshot create "g$((i - 1))" --no-sync --capture outside)
    knaller start "g$i" --detach --from-snapshot "$id"
    [ "$(knaller exec "g$i" -- sh -c 'cat /run/kept/* /root/[0-9]* | sha256sum')" = "$sums" ]
    knaller rm -f "g$((i - 1))"
    [[ $i -lt $generations ]] || break
    knaller snapshot rm "$id"
  done
  for name in a b c d e f; do knaller start "$name" --detach --from-snapshot "$id" & done
  wait
  for name in a b c d e f; do
    # Past the page cache, too.
    [ "$(knaller exec "$name" -- sh -c 'echo 3 > /proc/sys/vm/drop_caches; cat /run/kept/* /root/[0-9]* | sha256sum')" = "$sums" ]
    knaller exec "$name" -- sh -c "head -c 1000000 /dev/urandom > /root/own; echo $name > /run/name; sync"
  done
  for name in a b c d e f; do [ "$(knaller exec "$name" -- cat /run/name)" = "$name" ]; done
  knaller snapshot verify "$id"
  # In another home, which has no image, as well.
  local here=$KNALLER_HOME
  export KNALLER_HOME="$BATS_TEST_TMPDIR/other"
  KNALLER_HOME=$here knaller snapshot export "$id" - | knaller snapshot import -
  knaller start moved --detach --from-snapshot "$id"
  moved=$(knaller exec moved -- sh -c 'echo 3 > /proc/sys/vm/drop_caches; cat /run/kept/* /root/[0-9]* | sha256sum')
  knaller rm -f moved
  [ "$moved" = "$sums" ]
  # Thin, it lacks what its image has, and needs that.
  KNALLER_HOME=$here knaller snapshot export "$id" "$BATS_TEST_TMPDIR/thin.knaller" --thin
  knaller snapshot rm "$id"
  run -3 --separate-stderr knaller snapshot import "$BATS_TEST_TMPDIR/thin.knaller"
  [[ $stderr == *base.ext4* ]]
  [ -z "$(ls -A "$KNALLER_HOME/snapshots")" ]
  cp -a "$here/images" "$KNALLER_HOME"
  knaller snapshot import "$BATS_TEST_TMPDIR/thin.knaller"
  knaller snapshot verify "$id"
  knaller start thin --detach --from-snapshot "$id"
  moved=$(knaller exec thin -- sh -c 'echo 3 > /proc/sys/vm/drop_caches; cat /run/kept/* /root/[0-9]* | sha256sum')
  knaller rm -f thin
  [ "$moved" = "$sums" ]
}

@test "clones of an old snapshot have the clock of now, their own name and their own randomness" {
  knaller start first --detach --memory 256
  id=$(knaller snapshot create first --no-sync)
  knaller rm -f first
  sleep 4
  for name in one two; do
    knaller start "$name" --detach --from-snapshot "$id"
    # A second for the answer to come.
    late=$(($(date +%s) - $(knaller exec "$name" -- date +%s)))
    ((late >= -2 && late <= 2)) || { echo "the clock of $name is $late s late"; false; }
    [ "$(knaller exec "$name" -- hostname)" = "$name" ]
    [ "$(knaller inspect "$name" | jq .renewed)" = true ]
  done
  [ "$(knaller exec one -- sh -c 'head -c 16 /dev/urandom | od -x')" != "$(knaller exec two -- sh -c 'head -c 16 /dev/urandom | od -x')" ]
  knaller rm -f one two
  knaller snapshot rm "$id"
}

@test "a clone is renewed whatever its guest has done to its keys, its helper and its SSH server" {
  knaller start first --detach --memory 256
  knaller exec first -- sh -c 'rm -r /root/.ssh /usr/lib/knaller; mv /usr/sbin/dropbear /root; killall dropbear; sync'
  id=$(knaller snapshot create first --no-sync)
  knaller rm -f first
  run --separate-stderr knaller start shut --detach --from-snapshot "$id"
  [ "$status" -eq 0 ]
  [[ $stderr != *warning* ]]
  [ "$(knaller inspect shut | jq .renewed)" = true ]
  [ "$(knaller exec shut -- hostname)" = shut ]
  knaller rm -f shut
  knaller snapshot rm "$id"
}

@test "a rollback brings memory and disk back, and what came after is in the safety snapshot" {
  knaller start back --detach --memory 256
  knaller exec back -- sh -c 'echo old > /root/file; echo old > /run/kept; sync'
  id=$(knaller snapshot create back --no-sync)
  knaller exec back -- sh -c 'echo new > /root/file; echo new > /run/kept; rm -r /etc/init.d; sync'
  safety=$(knaller rollback back "$id")
  [ "$(knaller exec back -- cat /root/file /run/kept)" = $'old\nold' ]
  knaller exec back -- test -d /etc/init.d
  # From the disks alone: the overlay and its whiteouts, and a journal that was in use.
  knaller snapshot extract "$safety" /root/file -o "$BATS_TEST_TMPDIR"
  [ "$(< "$BATS_TEST_TMPDIR/file")" = new ]
  run knaller snapshot diff "$id" "$safety"
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *'~ /root/file'* && $output == *'- /etc/init.d/'* && $output == *' pages differ '* ]]
  knaller rollback back "$safety" --no-safety
  [ "$(knaller exec back -- cat /root/file /run/kept)" = $'new\nnew' ]
  knaller rm -f back
  knaller start cold --detach --from-snapshot "$safety" --disk-only
  [ "$(knaller exec cold -- sh -c 'hostname; cat /root/file; ls /run/kept 2> /dev/null || true')" = $'cold\nnew' ]
  knaller rm -f cold
  knaller snapshot rm "$id" "$safety"
}
