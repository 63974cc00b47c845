#!/bin/bash
# Builds the conformance suite under AddressSanitizer and UBSan and runs it on
# a directory, on a server that misbehaves, and on each url it is given, or on
# those only; and the test of credentials.  Prints TAP.
#	run.sh [--only] ["URL option=value ..."]...
set -u
only=""
[ "${1:-}" != --only ] || { only=1; shift; }
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp -d /tmp/supertable-conformance.XXXXXX)
faults=""
services=""
xml=""
cleanup() {
	[ -z "$faults" ] || kill "$faults" 2>/dev/null
	[ -z "$services" ] || kill "$services" 2>/dev/null
	[ -z "$xml" ] || kill "$xml" 2>/dev/null
	rm -rf "$out"
}
trap cleanup EXIT
failed=0

sources="$(echo src/store/{text,xml,jsonread,jwt,sigv4,http,http_header,endpoint}.c src/store/{object,credential,s3,az,sharedkey,gs,file}*.c)
	$(echo src/common/{codec,buf,mem,error}.c)"
build() {
	# shellcheck disable=SC2086
	gcc -std=gnu99 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=undefined -I src -I test/unit \
		-o "$out/$1" "test/conformance/$1.c" $sources -lcurl -lcrypto -ldeflate
}
build conformance || { echo "not ok - the suite does not build"; exit 1; }

if [ -z "$only" ]; then
	echo "# directory"
	mkdir "$out/lake"
	"$out/conformance" "file://$out/lake" || failed=1

	echo "# faults"
	# It ends with its standard input, at the latest.
	mkfifo "$out/in"
	mkdir "$out/tls"
	python3 test/conformance/faultserver.py "$out/tls" < "$out/in" > "$out/ports" &
	faults=$!
	exec 8> "$out/in"
	for _ in $(seq 100); do [ -s "$out/ports" ] && break; sleep 0.2; done
	read -r port tls_port < "$out/ports"
	"$out/conformance" --faults "$port" "$tls_port" "$out/tls/cert.pem" || failed=1
	exec 8>&-

	echo "# credentials"
	build credentials || { echo "not ok - the test of credentials does not build"; exit 1; }
	mkfifo "$out/in2"
	mkdir "$out/cred"
	python3 test/conformance/credserver.py "$out/cred" < "$out/in2" > "$out/ports2" &
	services=$!
	exec 7> "$out/in2"
	for _ in $(seq 100); do [ -s "$out/ports2" ] && break; sleep 0.2; done
	read -r port tls_port < "$out/ports2"
	"$out/credentials" "$port" "$tls_port" "$out/cred" || failed=1
	exec 7>&-

	echo "# HMAC keys of Google"
	mkfifo "$out/in3"
	python3 test/conformance/gsxmlserver.py GOOG1EXAMPLE the-secret-of-the-key < "$out/in3" > "$out/ports3" &
	xml=$!
	exec 6> "$out/in3"
	for _ in $(seq 100); do [ -s "$out/ports3" ] && break; sleep 0.2; done
	"$out/conformance" gs://lake/suite "endpoint=http://127.0.0.1:$(cat "$out/ports3")" access_key_id=GOOG1EXAMPLE \
		secret_access_key=the-secret-of-the-key large=5000000 || failed=1
	exec 6>&-
fi

for place in "$@"; do
	# shellcheck disable=SC2086
	set -- $place
	echo "# $1"
	"$out/conformance" "$@" || failed=1
done
exit $failed
