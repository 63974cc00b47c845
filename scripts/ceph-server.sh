#!/bin/bash
# Starts a Ceph cluster of one monitor, one OSD that keeps its objects in memory
# and an object gateway (RGW), on loopback, with a bucket "lake".  Needs Debian's
# ceph-mon, ceph-osd and radosgw.  Prints the endpoint.  The gateway's process
# id is in FOLDER/pid, the other two in FOLDER/others.  FOLDER/again ends the
# gateway with kill -9 and starts it anew.
#	ceph-server.sh FOLDER ACCESS_KEY SECRET_KEY
set -eu
dir=$1
access=$2
secret=$3

mkdir -p "$dir/mon" "$dir/osd"
mapfile -t p < <(python3 -c '
import socket
held = [socket.socket() for _ in range(3)]
for s in held:
    s.bind(("127.0.0.1", 0))
for s in held:
    print(s.getsockname()[1])')
endpoint=http://127.0.0.1:${p[2]}
fsid=$(cat /proc/sys/kernel/random/uuid)
osd=$(cat /proc/sys/kernel/random/uuid)
mon="[v2:127.0.0.1:${p[0]},v1:127.0.0.1:${p[1]}]"
cat > "$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = $mon
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
ms mon client mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = $dir
admin socket = $dir/\$name.asok
log file = $dir/\$name.log
mon data = $dir/mon
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
paxos propose interval = 0.02
paxos min wait = 0.01
rgw frontends = beast endpoint=127.0.0.1:${p[2]} tcp_nodelay=1
CONF
run() { "$@" -c "$dir/ceph.conf" >> "$dir/log" 2>&1 < /dev/null; }
fail() { echo "$1:" >&2; tail -20 "$dir/log" >&2; exit 1; }

monmaptool --create --fsid "$fsid" --addv a "$mon" "$dir/monmap" > "$dir/log" 2>&1 || fail "no monmap"
run ceph-mon -i a --mkfs --monmap "$dir/monmap" || fail "no monitor can be made"
nohup setsid ceph-mon -i a -f -c "$dir/ceph.conf" >> "$dir/log" 2>&1 < /dev/null &
echo $! > "$dir/others"
run timeout 30 ceph osd new "$osd" || fail "the monitor does not answer"
run ceph-osd -i 0 --mkfs --osd-uuid "$osd" || fail "no OSD can be made"
nohup setsid ceph-osd -i 0 -f -c "$dir/ceph.conf" >> "$dir/log" 2>&1 < /dev/null &
echo $! >> "$dir/others"
run timeout 60 radosgw-admin user create --uid=test --display-name=test --access-key="$access" --secret-key="$secret" || fail "no user can be made"
cat > "$dir/again" <<SH
#!/bin/bash
cd "$dir" || exit 1
[ ! -s pid ] || kill -9 "\$(cat pid)" 2>/dev/null
nohup setsid radosgw -n client.rgw -f -c "$dir/ceph.conf" >> "$dir/log" 2>&1 < /dev/null &
echo \$! > pid
# The command line of curl has this key: it is a test's.
for _ in \$(seq 120); do
	status=\$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 --aws-sigv4 aws:amz:us-east-1:s3 --user "$access:$secret" -X PUT "$endpoint/lake" \
		-H "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	case \$status in 200 | 409) exit 0 ;; esac
	sleep 0.5
done
exit 1
SH
chmod 700 "$dir/again"
rm -f "$dir/pid"
"$dir/again" || fail "the gateway does not start"
echo "$endpoint"
