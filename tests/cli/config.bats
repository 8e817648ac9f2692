# The configuration file.
load common

setup() {
  common_setup
  mkdir -p "$XDG_CONFIG_HOME/knaller"
  config=$XDG_CONFIG_HOME/knaller/config.toml
}

@test "an unknown key is refused with its line and the nearest one" {
  printf 'cpus = 1\n\nimgae = "tiny"\n' > "$config"
  k_exits 2 ls
  contains "$stderr" "$config:3"
  contains "$stderr" "imgae"
  contains "$stderr" "'image'"
  k_exits 2 ls --json
  json_error invalid_argument
}

@test "values of a wrong kind and broken syntax are refused with their line" {
  printf '# mine\nimage = 5\n' > "$config"
  k_exits 2 ls
  contains "$stderr" "$config:2"
  printf 'cpus = 1\nmem = = 5\n' > "$config"
  k_exits 2 ls
  contains "$stderr" "$config:2"
  head -c 300 /dev/urandom > "$config"
  k_exits 2 ls
  contains "$stderr" "$config"
  yes 'cpus = 1' | head -c 200000 > "$config"
  k_exits 2 ls
}

@test "a value that can't be is told with file and line when it is used" {
  printf 'mem = 0\n' > "$config"
  k_exits 2 start -d x
  contains "$stderr" "$config:1"
  k_exits 0 ls
}

@test "the file sets the home, a variable goes before it, a flag before both" {
  unset KNALLER_HOME
  printf 'home = "%s"\n' "$BATS_TEST_TMPDIR/of-file" > "$config"
  k_exits 0 ls
  [[ -d $BATS_TEST_TMPDIR/of-file ]]
  KNALLER_HOME=$BATS_TEST_TMPDIR/of-variable k_exits 0 ls
  [[ -d $BATS_TEST_TMPDIR/of-variable ]]
  KNALLER_HOME=$BATS_TEST_TMPDIR/of-another k_exits 0 ls --home "$BATS_TEST_TMPDIR/of-flag"
  [[ -d $BATS_TEST_TMPDIR/of-flag && ! -e $BATS_TEST_TMPDIR/of-another ]]
}

@test "--config and KNALLER_CONFIG name another file, which must exist" {
  printf 'nonsense = 1\n' > "$config"
  printf '' > "$BATS_TEST_TMPDIR/empty.toml"
  k_exits 0 ls --config "$BATS_TEST_TMPDIR/empty.toml"
  KNALLER_CONFIG=$BATS_TEST_TMPDIR/empty.toml k_exits 0 ls
  k_exits 3 ls --config "$BATS_TEST_TMPDIR/absent.toml"
  k_exits 2 ls
}

@test "help and version work with a broken file" {
  printf 'nonsense = 1\n' > "$config"
  k_exits 0 help
  k_exits 0 version
}
