#!/bin/bash
# Starts the cluster of /data, which it makes at the first start; stops it in order on SIGTERM.
# S3_ACCESS_KEY and S3_SECRET_KEY are the keys of its one user, and S3_SIZE_GIB is its size, also when they have
# changed since; it can grow, not shrink.
set -euo pipefail
: "${S3_ACCESS_KEY:?the access key of the user}" "${S3_SECRET_KEY:?the secret key of the user}"
[[ $S3_SIZE_GIB =~ ^[0-9]+$ ]] && ((S3_SIZE_GIB >= 4)) ||
  { echo "error: S3_SIZE_GIB is $S3_SIZE_GIB; it is a whole number of GiB, 4 or more" >&2; exit 1; }
data=/data
complete=$data/complete
said=/tmp/said
declare -A running=()

quietly() {  # what a command says is shown only if it fails
  "$@" >"$said" 2>&1
  rm "$said"
}

configure() {
  local cluster
  cluster=$(sed -n 's/^fsid = //p' "$data/ceph.conf" 2>/dev/null) || cluster=$(cat /proc/sys/kernel/random/uuid)
  cat >"$data/ceph.conf.new" <<C
[global]
fsid = $cluster
mon host = [v2:127.0.0.1:3300/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = $data/keyring
run dir = /tmp
pid file =
admin socket = /tmp/\$name.asok
log to file = false
log to stderr = false
err to stderr = true
mon cluster log to file = false
mon cluster log to stderr = false
clog to monitors = false
crash dir = $data/crash
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail warn = 5
mon data avail crit = 1
mon mgr mkfs grace = 1000000000
mon mgr inactive grace = 1000000000
debug ms = 0
debug osd = 0
debug rgw = 0
debug client = 0
debug bluestore = 0
debug bluefs = 0
debug bdev = 0
debug mgrc = 0
[mon]
debug mon = 0
debug paxos = 0
debug auth = 0
debug rocksdb = 0
[mon.a]
mon data = $data/mon
[osd.0]
osd data = $data/osd
keyring = $data/osd/keyring
osd objectstore = bluestore
bluestore block create = true
bluestore block size = $((S3_SIZE_GIB * 1024 * 1024 * 1024))
osd memory target = 1073741824
osd mclock skip benchmark = true
debug rocksdb = 0
[client.rgw]
rgw data = $data/rgw
rgw frontends = beast endpoint=0.0.0.0:7480
rgw enable usage log = false
C
  mv "$data/ceph.conf.new" "$data/ceph.conf"
}

make_keys() {
  local keys=$data/keyring
  ceph-authtool --create-keyring "$keys" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$keys" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool "$keys" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
}

make_monitor() {
  local cluster
  cluster=$(sed -n 's/^fsid = //p' "$data/ceph.conf")
  monmaptool --create --fsid "$cluster" --addv a '[v2:127.0.0.1:3300/0]' "$data/monmap"
  ceph-mon -i a --mkfs --monmap "$data/monmap" --keyring "$data/keyring"
}

make_object_daemon() {
  local name key
  name=$(cat /proc/sys/kernel/random/uuid)
  key=$(ceph-authtool --gen-print-key)
  echo "{\"cephx_secret\": \"$key\"}" | ceph --connect-timeout 60 osd new "$name" -i -
  ceph-authtool --create-keyring "$data/osd/keyring" -n osd.0 --add-key "$key"
  ceph-osd -i 0 --mkfs --osd-uuid "$name"
}

run() {
  local name=$1
  shift
  "$@" &
  running[$name]=$!
}

stop() {
  local name
  trap - TERM INT
  for name in gateway objects monitor; do
    [[ -n ${running[$name]:-} ]] || continue
    kill "${running[$name]}" 2>/dev/null || true
    wait "${running[$name]}" 2>/dev/null || true
  done
}

grow() {
  local wanted=$((S3_SIZE_GIB * 1024 * 1024 * 1024)) block=$data/osd/block
  (($(stat --format %s "$block") < wanted)) || return 0
  echo "growing to $S3_SIZE_GIB GiB"
  truncate --size "$wanted" "$block"
  quietly ceph-bluestore-tool bluefs-bdev-expand --path "$data/osd"
}

admin() {
  timeout 180 radosgw-admin "$@"
}

ensure_user() {
  local known old
  known=$(admin user info --uid ingress 2>/dev/null) ||
    known=$(admin user create --uid ingress --display-name ingress --access-key "$S3_ACCESS_KEY" --secret-key "$S3_SECRET_KEY")
  if [[ $known != *"\"access_key\": \"$S3_ACCESS_KEY\","*"\"secret_key\": \"$S3_SECRET_KEY\""* ]]; then
    admin key create --uid ingress --key-type s3 --access-key "$S3_ACCESS_KEY" --secret-key "$S3_SECRET_KEY" >/dev/null
  fi
  for old in $(sed -n 's/.*"access_key": "\(.*\)".*/\1/p' <<<"$known"); do
    [[ $old == "$S3_ACCESS_KEY" ]] || admin key rm --uid ingress --key-type s3 --access-key "$old" >/dev/null
  done
  ensure_quota "$known"
}

ensure_quota() {  # an object daemon whose disk is full ends and cannot start; a quota refuses uploads before that
  local size
  size=$(($(stat --format %s "$data/osd/block") / 20480 * 17 * 1024))  # in whole KiB, as it is kept
  [[ $1 != *'"user_quota": {'*'"enabled": true'*"\"max_size\": $size,"* ]] || return 0
  admin quota set --uid ingress --quota-scope user --max-size "$size"
  admin quota enable --uid ingress --quota-scope user
}

trap 'stop; exit 0' TERM INT
trap '[[ ! -e $said ]] || cat "$said" >&2' EXIT
if [[ ! -e $complete ]]; then
  echo "making the cluster"
  find "$data" -mindepth 1 -delete
  mkdir -p "$data"/{mon,osd,rgw,crash}
  configure
  quietly make_keys
  quietly make_monitor
else
  configure
fi
run monitor ceph-mon -f -i a
if [[ -e $complete ]]; then
  quietly ceph --connect-timeout 60 osd down 0  # one that was killed counts as up for minutes, and bars the new one
  grow
else
  quietly make_object_daemon
fi
run objects ceph-osd -f -i 0
ensure_user
[[ -e $complete ]] || { touch "$complete"; sync "$complete" "$data"; }
run gateway radosgw -f -n client.rgw
echo "serving on port 7480"
wait -n || true
echo "a daemon has ended; ending the others" >&2
kill -KILL "${running[@]}" 2>/dev/null || true
exit 1
