#!/bin/bash
# Builds and runs the unit tests under AddressSanitizer and UBSan; prints TAP.
set -u
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
pure="src/common/mem.c src/common/buf.c src/common/error.c src/common/json.c src/common/codec.c
	src/parquet/*.c src/delta/schema.c src/delta/stats.c src/delta/bounds.c src/delta/action.c src/delta/action_write.c
	src/delta/dv.c src/delta/guard.c src/delta/condemn.c src/delta/checkpoint_read.c src/delta/checkpoint_write.c
	src/wal/statedoc.c src/wal/statedoc_write.c src/store/file.c src/store/file_put.c src/store/file_path.c src/store/file_list.c"
network="src/store/text.c src/store/xml.c src/store/jsonread.c src/store/jwt.c src/store/sigv4.c src/store/http.c src/store/http_header.c
	src/store/endpoint.c src/store/object*.c src/store/s3*.c src/store/az*.c src/store/gs*.c src/store/credential*.c
	src/store/sharedkey.c"
flags="-std=gnu99 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=undefined -I src -I test/unit"
failed=0
n=0
# Compiles sources; their objects are in $built.
compile() {
	local f o
	built=""
	for f in "$@"; do
		o="$out/$(echo "$f" | tr '/' '_').o"
		# shellcheck disable=SC2086
		gcc $flags -c -o "$o" "$f" || failed=1
		built="$built $o"
	done
}
# shellcheck disable=SC2086
compile $pure
objects=$built
# shellcheck disable=SC2086
compile $network
network_objects=$built
for t in test/unit/test_*.c; do
	name=$(basename "$t" .c)
	more=""
	case $name in test_s3 | test_az | test_gs | test_credential) more="$network_objects -lcurl -lcrypto" ;; esac
	# shellcheck disable=SC2086
	if gcc $flags -o "$out/$name" "$t" $more $objects -ljson-c -lroaring -lzstd -lsnappy -llz4 -ldeflate -lm; then
		echo "# $name"
		"$out/$name" || failed=1
	else
		echo "not ok - $name does not build"
		failed=1
	fi
	n=$((n + 1))
done
[ "$n" -gt 0 ] && exit $failed
exit 1
