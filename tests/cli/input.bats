# What nobody means to write, and what somebody may write on purpose: a clear error, the right exit code, and nothing changed.
load common

setup() {
  common_setup
  export KNALLER_ENGINE=$KNALLER_BUILD/bin/fake_firecracker
}

# No VM, snapshot or image came to be, and nothing lies beside the home.
nothing_made() {
  local made
  made=$(find "$KNALLER_HOME"/{vms,snapshots,images} -mindepth 1 2> /dev/null | head -5)
  [[ -z $made ]] || { echo "made: $made"; return 1; }
  # The locks of what did not come to be are swept by the next command.
  knaller ls > /dev/null
  made=$(find "$KNALLER_HOME/locks" -name 'vm-*' -o -name 'snap-*')
  [[ -z $made ]] || { echo "locks: $made"; return 1; }
  made=$(find "$BATS_TEST_TMPDIR" -mindepth 1 -maxdepth 1 ! -name home ! -name files ! -name 'separate-stderr*' ! -name 'bats*' ! -name config)
  [[ -z $made ]] || { echo "made beside the home: $made"; return 1; }
}

long=$(printf 'a%.0s' {1..300})
bad_names=('..' '.' '' '/' 'a/b' '../x' 'a b' "it's" 'say"so' $'two\nlines' $'tab\t' "$long" $'caf\xe9' 'café' 'UPPER' '-d' '--json' '$HOME' 'a;b' '*' $'\x1b[31m' '.hidden' '_under')

@test "start refuses bad names with exit code 2 and makes nothing" {
  for name in "${bad_names[@]}"; do
    # --name '' and a missing name are the same: one is made up.
    [[ -n $name ]] || continue
    k_exits 2 start -d -- "$name"
    contains "$stderr" "error:"
    lacks "$stderr" $'\x1b'
    k_exits 2 start -d --name="$name" --json
    json_error invalid_argument
  done
  nothing_made
}

@test "every verb refuses bad names with exit code 2 and harmless output" {
  for name in "${bad_names[@]}"; do
    for verb in stop rm 'rm -f' pause resume restart inspect logs ssh ssh-config; do
      read -ra words <<< "$verb"
      k "${words[@]}" -- "$name"
      [[ $status -eq 2 ]] || { echo "$verb '$name': $status $stderr"; false; }
      lacks "$stderr" $'\x1b'
    done
  done
  nothing_made
}

@test "exec and run refuse bad names with exit code 125" {
  for name in 'a/b' '..' "$long" 'a b'; do
    k_exits 125 exec "$name" -- true
    k_exits 125 run "$name" -- true
    k_exits 125 exec --json "$name" -- true
    json_error invalid_argument
  done
  nothing_made
}

@test "names that do not exist have exit code 3" {
  for verb in stop rm pause resume restart inspect logs ssh ssh-config 'snapshot create'; do
    read -ra words <<< "$verb"
    k_exits 3 "${words[@]}" nosuch
    contains "$stderr" "nosuch"
  done
  k_exits 125 exec nosuch -- true
  contains "$stderr" "nosuch"
  k_exits 3 cp nosuch:/etc/passwd "$BATS_TEST_TMPDIR/files"
  k_exits 0 rm -f nosuch
  nothing_made
}

@test "a missing name is wrong usage" {
  for verb in stop rm pause resume restart inspect logs ssh cp ssh-config 'snapshot create' 'snapshot rm' 'snapshot inspect' 'image build' 'image rm' 'image inspect' 'image import'; do
    read -ra words <<< "$verb"
    k_exits 2 "${words[@]}"
  done
}

@test "snapshot ids and names are checked" {
  for id in '..' '../../etc' 'snap_../x' $'a\nb' "$long" 'a b' $'\xff'; do
    for verb in 'snapshot rm' 'snapshot inspect' 'start -d x --from-snapshot'; do
      read -ra words <<< "$verb"
      k "${words[@]}" "$id"
      [[ $status -eq 2 || $status -eq 3 ]] || { echo "$verb '$id': $status $stderr"; false; }
      lacks "$stderr" $'\xff'
    done
  done
  k_exits 3 snapshot inspect snap_00000000
  k_exits 3 snapshot rm snap_00000000
  k_exits 3 start -d x --from-snapshot snap_00000000
  nothing_made
}

@test "image names and kinds are checked" {
  for name in '..' 'a/b' "$long" 'a b' $'a\nb' $'\xff'; do
    for verb in 'image rm' 'image inspect' 'start -d x --image' 'image import --kernel /bin/true --rootfs /bin/true'; do
      read -ra words <<< "$verb"
      k "${words[@]}" "$name"
      [[ $status -eq 2 || $status -eq 3 ]] || { echo "$verb '$name': $status $stderr"; false; }
    done
    k_exits 2 image build tiny --name "$name"
  done
  k_exits 3 image inspect nosuch
  k_exits 3 image rm nosuch
  k_exits 3 start -d x --image nosuch
  k_exits 2 image build tinny
  contains "$stderr" "tiny"
  nothing_made
}

@test "numbers out of range are refused, and the message has the number" {
  for mem in 0 -1 abc '' 1.5 99999999999999999999 '1 G' 1K 0x10; do
    k_exits 2 start -d x --mem "$mem"
    contains "$stderr" "--mem"
  done
  for cpus in 0 33 -1 abc '' 1e3 99999999999999999999; do
    k_exits 2 start -d x --cpus "$cpus"
    contains "$stderr" "--cpus"
  done
  for disk in 0 -5 lots; do k_exits 2 start -d x --disk "$disk"; done
  for time in -1 soon 1y ''; do k_exits 2 start -d x --wait-timeout "$time"; done
  for lines in -1 many 1.5; do k_exits 2 logs x -n "$lines"; done
  k_exits 2 stop x --timeout never
  k_exits 2 snapshot create x --max-pause never
  nothing_made
}

@test "ports are checked" {
  for port in 70000:80 80:70000 8080:0 -1:80 80 :80 80: a:b 1:2:3:4:5 80:80/icmp 999.1.1.1:80:80 '' ' 80:80' 80:80/; do
    k_exits 2 start -d x --port "$port"
  done
  k_exits 2 start -d x -p 8080:80 -p 8080:81
  contains "$stderr" "twice"
  k_exits 2 start -d x -p 127.0.0.1:8080:80 -p 0.0.0.0:8080:81
  k_exits 2 start -d x -p '[::1]:8080:80'
  contains "$stderr" "from IPv4 addresses only"
  nothing_made
}

@test "limits that are none are refused, and the message has the flag" {
  for limit in network-bandwidth disk-bandwidth disk-iops; do
    for value in lots . 0.0.0 '' -1 5M: 0:5M 5M:0; do
      k_exits 2 start -d x "--$limit" "$value"
      contains "$stderr" "--$limit"
    done
  done
  for cpus in 0.001 0. 1.5x 32.5; do k_exits 2 start -d x --cpus "$cpus"; done
  k_exits 2 start -d x --disk-iops 1.5 --json
  json_error invalid_argument
  nothing_made
}

@test "words that are one of few are checked" {
  k_exits 2 start -d x --network bridged
  contains "$stderr" "rootless"
  k_exits 2 start -d x --on-reboot explode
  k_exits 2 start -d x --engine vmware
  k_exits 3 start -d x --engine /nonexistent/firecracker
  k_exits 3 start -d x --firecracker /nonexistent/firecracker
}

@test "flags that exclude each other" {
  mkdir "$BATS_TEST_TMPDIR/files"
  touch "$BATS_TEST_TMPDIR/files/k"
  k_exits 2 start -d --rm x
  k_exits 2 start x y
  k_exits 2 start -d x --image tiny --kernel "$BATS_TEST_TMPDIR/files/k"
  k_exits 2 start -d x --from-snapshot snap_00000000 --mem 512
  k_exits 2 start -d x --force
  k_exits 2 stop --all x
  k_exits 125 exec -t -T x -- true
}

@test "a kernel that is text and a root file system that is none are refused" {
  mkdir "$BATS_TEST_TMPDIR/files"
  cd "$BATS_TEST_TMPDIR/files"
  echo "not a kernel" > text
  truncate -s 1M zeros
  make_kernel vmlinux
  k_exits 2 start -d x --kernel text --rootfs zeros
  contains "$stderr" "text"
  k_exits 2 start -d x --kernel vmlinux --rootfs zeros
  contains "$stderr" "ext4"
  k_exits 2 start -d x --kernel vmlinux --rootfs .
  k_exits 3 start -d x --kernel vmlinux --rootfs nosuch
  k_exits 3 start -d x --kernel nosuch --rootfs zeros
  k_exits 2 image import mine --kernel text --rootfs zeros
  k_exits 2 image import mine --kernel vmlinux --rootfs zeros
  k_exits 3 image import mine --kernel vmlinux --rootfs nosuch
  k_exits 2 image import mine --kernel vmlinux
  nothing_made
}

@test "a kernel that QEMU has no way into is refused by name, for QEMU" {
  mkdir "$BATS_TEST_TMPDIR/files"
  cd "$BATS_TEST_TMPDIR/files"
  make_kernel vmlinux 1
  truncate -s 8M rootfs
  PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 rootfs
  KNALLER_ENGINE=qemu k_exits 2 image import mine --kernel vmlinux --rootfs rootfs
  contains "$stderr" "PVH"
  k_exits 2 start -d x --engine qemu --kernel vmlinux --rootfs rootfs
  contains "$stderr" "PVH"
  nothing_made
  # What came in for Firecracker, which boots it.
  export KNALLER_ENGINE=$KNALLER_BUILD/bin/fake_firecracker KNALLER_NETWORK=none
  k_exits 0 image import mine --kernel vmlinux --rootfs rootfs
  k_exits 2 start -d x --engine qemu --image mine
  contains "$stderr" "the kernel of image 'mine' has no PVH note"
  [[ -z $(knaller ls -aq) ]]
  k_exits 0 start -d web --image mine --mem 64
  KNALLER_CAPTURE=outside k_exits 0 snapshot create web
  k_exits 2 start -d x --engine qemu --disk-only --from-snapshot "$output"
  contains "$stderr" "the snapshot's kernel has no PVH note"
  [[ $(knaller ls -aq) == web ]]
  k_exits 0 start -d x --disk-only --from-snapshot "$(knaller snapshot ls -q)"
  k_exits 0 rm -f web x
}

@test "cp wants exactly one path in a VM" {
  k_exits 2 cp a b
  k_exits 2 cp a:x b:y
  k_exits 2 cp :x y
  k_exits 2 cp '' a:b
  k_exits 2 cp 'A B:x' y
  contains "$stderr" "A B"
}

@test "environment variables are checked like flags, and named" {
  KNALLER_MEM=0 k_exits 2 start -d x
  contains "$stderr" "KNALLER_MEM"
  KNALLER_CPUS=many k_exits 2 start -d x
  contains "$stderr" "KNALLER_CPUS"
  KNALLER_ENGINE=vmware k_exits 2 start -d x
  contains "$stderr" "KNALLER_ENGINE"
  KNALLER_CONFIG=/nonexistent.toml k_exits 3 ls
  nothing_made
}
