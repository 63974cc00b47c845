#!/bin/bash
# Builds the conformance suite under AddressSanitizer and UBSan and runs it on
# a directory, on a server that misbehaves, and on each url it is given; with
# --only on those urls alone.  Prints TAP.
#	run.sh [--only] ["URL option=value ..."]...
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp -d /tmp/supertable-conformance.XXXXXX)
faults=""
cleanup() {
	[ -z "$faults" ] || kill "$faults" 2>/dev/null
	rm -rf "$out"
}
trap cleanup EXIT
failed=0

gcc -std=gnu99 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=undefined -I src -I test/unit \
	-o "$out/conformance" test/conformance/conformance.c \
	src/store/{text,xml,sigv4,http,http_header,endpoint}.c src/store/{object,s3,az,sharedkey,file}*.c \
	src/common/{codec,buf,mem,error}.c -lcurl -lcrypto -ldeflate || { echo "not ok - the suite does not build"; exit 1; }

directory_and_faults() {
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
}

if [ "${1:-}" = --only ]; then shift; else directory_and_faults; fi
for place in "$@"; do
	# shellcheck disable=SC2086
	set -- $place
	echo "# $1"
	"$out/conformance" "$@" || failed=1
done
exit $failed
