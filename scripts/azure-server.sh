#!/bin/bash
# Installs Azurite (from npm) into a folder and starts its Blob service there,
# on loopback, with TLS and a container "lake".  Prints the endpoint.  The
# certificate that vouches for it is FOLDER/cert.pem, the server's process id
# is in FOLDER/pid: end it with kill.
#	azure-server.sh FOLDER ACCOUNT KEY
# STBL_AZURITE: a folder where it is installed already.
set -eu
. "$(dirname "$0")/certificate.sh"
dir=$1
account=$2
key=$3
version=3.35.0

mkdir -p "$dir/data"
node_dir=${STBL_AZURITE:-$dir/node}
if [ ! -e "$node_dir/node_modules/azurite" ]; then
	mkdir -p "$node_dir"
	npm install --prefix "$node_dir" --no-audit --no-fund --no-save --loglevel=error --cache "$dir/npm" "azurite@$version" >&2
fi
make_certificate "$dir"
port=$(python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
cd "$dir"
AZURITE_ACCOUNTS="$account:$key" nohup setsid node "$node_dir/node_modules/azurite/dist/src/blob/main.js" \
	--blobHost 127.0.0.1 --blobPort "$port" --location "$dir/data" --cert "$dir/cert.pem" --key "$dir/key.pem" \
	--blobKeepAliveTimeout 60 --skipApiVersionCheck --disableTelemetry --silent > "$dir/log" 2>&1 < /dev/null &
echo $! > "$dir/pid"
endpoint=https://localhost:$port

# Creates the container, as soon as the server answers.
if STBL_KEY=$key python3 - "$port" "$account" "$dir/cert.pem" >&2 <<'PY'
import base64, email.utils, hashlib, hmac, http.client, os, ssl, sys, time

port, account, cert = sys.argv[1:]
key = base64.b64decode(os.environ["STBL_KEY"])
for _ in range(120):
    date = email.utils.formatdate(usegmt=True)
    path = "/%s/lake" % account
    text = "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:2021-12-02\n/%s%s\nrestype:container" % (date, account, path)
    signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
    try:
        c = http.client.HTTPSConnection("localhost", int(port), timeout=5, context=ssl.create_default_context(cafile=cert))
        c.request("PUT", path + "?restype=container", headers={
            "x-ms-date": date, "x-ms-version": "2021-12-02", "Content-Length": "0",
            "Authorization": "SharedKey %s:%s" % (account, signature)})
        answer = c.getresponse()
        if answer.status == 201:
            sys.exit(0)
        print(answer.status, answer.read().decode())
    except OSError:
        pass
    time.sleep(0.5)
sys.exit(1)
PY
then
	echo "$endpoint"
	exit 0
fi
echo "the Azure server does not start:" >&2
tail -20 "$dir/log" >&2
exit 1
