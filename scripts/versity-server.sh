#!/bin/bash
# Builds the Versity S3 gateway (by Go) into a folder, unless it is there, and
# starts it on loopback over a directory of that folder, with a bucket "lake".
# Prints the endpoint.  The server's process id is in FOLDER/pid: end it with
# kill -9.  FOLDER/again does that and starts it anew, the same store under the
# same address: what it has answered lies in the file system.
#	versity-server.sh FOLDER ACCESS_KEY SECRET_KEY
set -eu
dir=$1
access=$2
secret=$3
version=v1.8.0

mkdir -p "$dir/data/lake" "$dir/bin"
if [ ! -x "$dir/bin/versitygw" ]; then
	go=$(command -v go || echo /usr/local/go/bin/go)
	[ -x "$go" ] || { echo "the Versity S3 gateway needs Go to be built" >&2; exit 1; }
	GOBIN=$dir/bin "$go" install "github.com/versity/versitygw/cmd/versitygw@$version" > "$dir/build.log" 2>&1 ||
		{ tail -20 "$dir/build.log" >&2; exit 1; }
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
endpoint=http://127.0.0.1:$port
cat > "$dir/again" <<SH
#!/bin/bash
cd "$dir" || exit 1
[ ! -s pid ] || kill -9 "\$(cat pid)" 2>/dev/null
ROOT_ACCESS_KEY=$access ROOT_SECRET_KEY=$secret nohup setsid "$dir/bin/versitygw" --port 127.0.0.1:$port --region us-east-1 \
	posix "$dir/data" >> "$dir/log" 2>&1 < /dev/null &
echo \$! > pid
# any answer will do: the bucket is a folder
for _ in \$(seq 240); do
	curl -s -o /dev/null --max-time 5 "$endpoint/lake" && exit 0
	sleep 0.05
done
exit 1
SH
chmod 700 "$dir/again"
rm -f "$dir/pid"
if "$dir/again"; then
	echo "$endpoint"
	exit 0
fi
echo "the S3 gateway does not start:" >&2
tail -20 "$dir/log" >&2
exit 1
