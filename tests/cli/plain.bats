# Commands that need no home: version, help, completion, man pages, wrong usage.
load common

setup() { common_setup; }

@test "version prints one line, one number with -q, one document with --json" {
  k_exits 0 version
  [[ $output =~ ^knaller\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
  k_exits 0 --version
  [[ $output == "knaller "* ]]
  k_exits 0 version -q
  [[ $output =~ ^[0-9.]+$ ]]
  k_exits 0 version --json
  [[ $(jq -r .schema <<<"$output") == 1 && $(jq -r .version <<<"$output") =~ ^[0-9.]+$ ]]
}

@test "the program starts without the large libraries: commands open those that they need" {
  needed=$(readelf -d "$(command -v knaller)" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
  for library in libcrypto libssl libarchive libnftables libIPSec_MB; do lacks "$needed" "$library"; done
  k_exits 0 ls
  loaded=$(LD_DEBUG=files knaller ls 2>&1 > /dev/null | grep -c 'calling init: .*lib\(crypto\|archive\|nftables\)') || true
  [[ $loaded == 0 ]] || { echo "ls opens $loaded of them"; false; }
}

@test "a flag that has no meaning here, or with another, is told of before anything is looked at" {
  k_exits 2 start -d x --trust-ports
  contains "$stderr" "--from-snapshot"
  k_exits 2 start -d x --from-snapshot nosuch --memory 512
  contains "$stderr" "can't be used together"
  k_exits 125 run --keep --rm -- true
  contains "$stderr" "unless --keep"
  k_exits 2 snapshot export a b --level 20
  contains "$stderr" "--level: '20' is not a number from 1 to 19"
  [[ ! -e $KNALLER_HOME ]]
}

@test "nothing that is only asked for help makes a home" {
  k_exits 0 help
  k_exits 0 version
  k_exits 0 help start
  k_exits 2 strat
  [[ ! -e $KNALLER_HOME ]]
}

@test "help is there for every command, and --help says the same" {
  k_exits 0 help
  mapfile -t names < <(awk '/^  [a-z]/ {print $1, ($2 ~ /^(create|ls|inspect|rm|build|import)$/ && $1 ~ /^(snapshot|image)$/) ? $2 : ""}' <<<"$output")
  ((${#names[@]} >= 25))
  for name in "${names[@]}"; do
    read -ra words <<<"$name"
    k_exits 0 help "${words[@]}"
    contains "$output" "Usage: knaller ${words[*]}"
    by_word=$output
    k_exits 0 "${words[@]}" --help
    [[ $output == "$by_word" ]]
  done
}

@test "help on a terminal and elsewhere has no escape sequences" {
  k_exits 0 help start
  lacks "$output" $'\x1b'
}

@test "a mistyped command, subcommand or flag suggests the nearest, with exit code 2" {
  k_exits 2 strat
  contains "$stderr" "knaller start"
  k_exits 2 snapshot crate web
  contains "$stderr" "knaller snapshot create"
  k_exits 2 start --detahc
  contains "$stderr" "--detach"
  k_exits 2 image
  contains "$stderr" "image"
  k_exits 2
  contains "$stderr" "Usage"
}

@test "wrong usage with --json is one error object" {
  k_exits 2 --json strat
  json_error invalid_argument
  k_exits 2 strat --json
  json_error invalid_argument
  k_exits 2 start --json --nonsense
  json_error invalid_argument
}

@test "arguments with control characters and bytes that are no UTF-8 are shown harmlessly" {
  k_exits 2 $'\x1b[31mred\xff\n'
  lacks "$stderr" $'\x1b'
  k_exits 2 --json $'\xff\xfe'
  json_error invalid_argument
}

@test "exec and run answer 125 to wrong usage, since 2 may be the command's own" {
  k_exits 125 exec
  k_exits 125 exec --nonsense web -- true
  k_exits 125 run --nonsense -- true
}

@test "output that can't be written is an error" {
  run bash -c 'knaller help > /dev/full'
  [[ $status -eq 10 || $status -eq 1 ]]
  contains "$output" "standard output"
}

@test "bash completes commands, flags and files" {
  source <(knaller completion bash)
  complete_line() {
    COMP_LINE="$1" COMP_POINT=${#1} COMPREPLY=()
    _knaller
    printf '%s\n' "${COMPREPLY[@]}"
  }
  contains "$(complete_line 'knaller sta')" "start"
  contains "$(complete_line 'knaller snapshot cr')" "create"
  contains "$(complete_line 'knaller start --from-s')" "--from-snapshot"
  [[ $(complete_line 'knaller start --network ro') == rootless ]]
  [[ $(complete_line 'knaller start --network=ro') == rootless ]]
  cd "$BATS_TEST_TMPDIR"
  touch kernel-of-mine
  [[ $(complete_line 'knaller start --kernel ker') == kernel-of-mine ]]
  [[ -z $(complete_line 'knaller exec web -- sta') ]]
}

@test "zsh and fish scripts are accepted by their shells" {
  for shell in zsh fish; do
    knaller completion "$shell" > "$BATS_TEST_TMPDIR/$shell"
    [[ -s $BATS_TEST_TMPDIR/$shell ]]
    "$shell" -n "$BATS_TEST_TMPDIR/$shell"
  done
  contains "$(fish --no-config -c "source '$BATS_TEST_TMPDIR/fish'; complete -C 'knaller snapshot exp'")" "export"
  k_exits 2 completion tcsh
}

@test "there is a man page for every command, and none has an error in it" {
  pages=$BATS_TEST_TMPDIR/man
  knaller __man --all "$pages"
  [[ -s $pages/knaller.1 && -s $pages/knaller-start.1 && -s $pages/knaller-snapshot-create.1 ]]
  command -v man > /dev/null || skip "no man program"
  for page in "$pages"/*.1; do
    warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 > /dev/null)
    [[ -z $warnings ]] || { echo "$page: $warnings"; false; }
  done
  text=$(MANPAGER=cat MANWIDTH=100 man -l "$pages/knaller-start.1" 2>/dev/null)
  contains "$text" "--from-snapshot"
}
