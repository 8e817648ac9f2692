# Nobody else may read what is a VM's own, and no secret shows where people look.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() {
  umask 0000
  system_setup
  make_image_ours
}
teardown() { system_teardown; }

@test "directories are 0700 and files 0600 or 0400, whatever the umask" {
  k_exits 0 start -d web --mem 128 --no-wait
  [[ -s $KNALLER_HOME/vms/web/ssh_key ]]
  k_exits 0 snapshot create web --name before
  k_exits 0 start -d web2 --from-snapshot "$output" --no-wait
  k_exits 0 stop web
  open=$(find "$KNALLER_HOME" \( -type d ! -perm 0700 -o ! -type d ! -type l -perm /0077 \) -printf '%m %p\n')
  [[ -z $open ]] || { echo "$open"; false; }
  [[ $(stat -c %a "$KNALLER_HOME/vms/web/ssh_key") == 600 ]]
}

@test "no private key on a command line, in an environment, in a log or in inspect" {
  k_exits 0 start -d web --mem 128 --no-wait --verbose --timings
  said=$output$stderr
  look_at web
  # A line of its base64, which is nothing but the key.
  secret=$(grep -v -- -- "$KNALLER_HOME/vms/web/ssh_key" | tail -n 2 | head -n 1)
  [[ ${#secret} -gt 30 ]]
  lacks "$said" "$secret"
  for pid in "${processes[@]}"; do
    ! grep -qF -- "$secret" "/proc/$pid/cmdline"
    ! tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qF -- "$secret"
  done
  k_exits 0 inspect web
  lacks "$output" "$secret"
  k_exits 0 snapshot create web
  k_exits 0 snapshot inspect "$output"
  lacks "$output" "$secret"
  k_exits 0 logs web
  lacks "$output$stderr" "$secret"
  k_exits 0 logs --engine web
  lacks "$output$stderr" "$secret"
  held=$(grep -rlF -- "$secret" "$KNALLER_HOME" --include='*' --exclude='*.ext4' --devices=skip | sort)
  [[ $(grep -vc '/ssh_key$' <<< "$held") -eq 0 ]] || { echo "$held"; false; }
}

@test "a monitor keeps nothing of the environment of its command" {
  export SECRET_TOKEN=hunter2hunter2
  k_exits 0 start -d web
  look_at web
  for pid in "${processes[@]}"; do
    ! grep -q hunter2 "/proc/$pid/environ" 2> /dev/null
  done
}
