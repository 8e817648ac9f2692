# The programs in examples/, on real VMs. They see the public headers and the installed library, and nothing else.
# shellcheck disable=SC2154  # bats' run sets them

bats_require_minimum_version 1.5.0

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home"
}

teardown_file() {
  local name
  for name in $(knaller ls -aq); do knaller rm -f "$name"; done
}

@test "run_untrusted passes arguments literally, returns the command's own code, and leaves no VM" {
  run --separate-stderr run_untrusted sh -c 'printf "%s|" "$@"; exit 7' sh 'a b' '$HOME'
  echo "$output" "$stderr"
  [ "$status" -eq 7 ]
  [ "$output" = 'a b|$HOME|' ]
  [ -z "$(knaller ls -aq)" ]
}

@test "fork_from_snapshot gives each worker the prepared disk and a name of its own, and leaves nothing" {
  run --separate-stderr fork_from_snapshot 2
  echo "$output" "$stderr"
  [ "$status" -eq 0 ]
  [ "$(grep -c ' ms: prepared once, now of ' <<<"$output")" -eq 2 ]
  [ "$(sed -n 's/.*now of //p' <<<"$output" | sort -u | wc -l)" -eq 2 ]
  # The parent's disk is its own.
  [ "$(tail -n 1 <<<"$output")" = 'prepared once' ]
  [ -z "$(knaller ls -aq)" ]
  [ -z "$(knaller snapshot ls -q)" ]
}
