#!/bin/bash
# Starts the cluster of /data, which it makes at the first start; stops it in order on SIGTERM.
# S3_ACCESS_KEY and S3_SECRET_KEY are the keys of its one user, also when they have changed since.
set -euo pipefail
: "${S3_ACCESS_KEY:?the access key of the user}" "${S3_SECRET_KEY:?the secret key of the user}"
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

ensure_user() {
  local user=(--uid ingress --display-name ingress --access-key "$S3_ACCESS_KEY" --secret-key "$S3_SECRET_KEY")
  local old
  radosgw-admin user info --uid ingress >/dev/null 2>&1 || { radosgw-admin user create "${user[@]}" >/dev/null; return; }
  radosgw-admin key create --uid ingress --key-type s3 --access-key "$S3_ACCESS_KEY" --secret-key "$S3_SECRET_KEY" >/dev/null
  for old in $(radosgw-admin user info --uid ingress | sed -n 's/.*"access_key": "\(.*\)".*/\1/p'); do
    [[ $old == "$S3_ACCESS_KEY" ]] || radosgw-admin key rm --uid ingress --key-type s3 --access-key "$old" >/dev/null
  done
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
[[ -e $complete ]] || quietly make_object_daemon
run objects ceph-osd -f -i 0
ensure_user
touch "$complete"
run gateway radosgw -f -n client.rgw
echo "serving on port 7480"
wait -n || true
echo "a daemon has ended; stopping the others" >&2
stop
exit 1
