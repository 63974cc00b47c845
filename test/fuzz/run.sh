#!/bin/bash
# Builds the fuzz targets, and runs each for so many seconds from its seeds,
# two at once.  Prints TAP: a target passes if nothing was found.
#	run.sh [SECONDS] [TARGET...]
#	STBL_FUZZ_DIR: keeps the corpora, and what was found, from run to run
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-10}
[ $# -eq 0 ] || shift
if [ -n "${STBL_FUZZ_DIR:-}" ]; then
	work=$STBL_FUZZ_DIR
	mkdir -p "$work"
else
	work=$(mktemp -d /tmp/supertable-fuzz.XXXXXX)
	trap 'rm -rf "$work"' EXIT
fi
targets=${*:-$(cd test/fuzz && echo target_*.c | sed 's/target_//g; s/\.c//g')}
pure="src/common/mem.c src/common/buf.c src/common/error.c src/common/json.c src/common/codec.c
	src/parquet/*.c src/delta/schema.c src/delta/bounds.c src/delta/stats.c src/delta/action.c src/delta/action_write.c
	src/delta/dv.c src/delta/guard.c src/delta/checkpoint_read.c src/delta/checkpoint_write.c
	src/wal/statedoc.c src/wal/statedoc_write.c"
flags="-std=gnu99 -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -Wall -Wextra -fno-sanitize-recover=undefined -I src -I test/unit -I test/fuzz"
fuzzed="-fsanitize=fuzzer-no-link,address,undefined"
libs="-ljson-c -lroaring -lzstd -lsnappy -llz4 -ldeflate -lm"

objects=""
# shellcheck disable=SC2086
for f in $pure; do
	o="$work/$(echo "$f" | tr '/' '_').o"
	objects="$objects $o"
	clang $flags $fuzzed -c -o "$o" "$f" &
	[ "$(jobs -r | wc -l)" -lt 2 ] || wait -n || exit 1
done
wait
mkdir -p "$work/seeds"
for t in $targets encoding page footer index dv checkpoint; do
	mkdir -p "$work/seeds/$t" "$work/corpus/$t" "$work/found"
	cp -r test/fuzz/seeds/"$t"/. "$work/seeds/$t/" 2>/dev/null
done
# shellcheck disable=SC2086
clang $flags -fsanitize=address,undefined -o "$work/make_seeds" test/fuzz/seeds.c $objects $libs -fsanitize=fuzzer-no-link &&
	ASAN_OPTIONS=detect_leaks=0 "$work/make_seeds" "$work/seeds" test/fuzz/seeds/action/all.json || { echo "not ok - seeds are made"; exit 1; }

one() {
	local t=$1 dict="" more=""
	[ "$t" != path ] || more=src/store/file_path.c
	case $t in answer | service) more="$(echo src/store/{text,xml,jsonread,jwt,sigv4,http,http_header,endpoint}.c src/store/{object,credential,s3,az,sharedkey,gs}*.c) -lcurl -lcrypto" ;; esac
	# shellcheck disable=SC2086
	clang $flags -fsanitize=fuzzer,address,undefined -o "$work/fuzz_$t" "test/fuzz/target_$t.c" $more $objects $libs || return 1
	case $t in statedoc | guard | action | schema | path | bounds | service) dict="-dict=test/fuzz/json.dict" ;; esac
	rm -f "$work/found/$t-"*
	"$work/fuzz_$t" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 $dict \
		-artifact_prefix="$work/found/$t-" "$work/corpus/$t" "$work/seeds/$t" > "$work/$t.log" 2>&1
}

failed=0
n=0
report() {
	local t=$1 status=$2
	n=$((n + 1))
	if [ "$status" = 0 ]; then
		echo "ok $n - $t: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$t.log") executions, $(grep -o 'cov: [0-9]*' "$work/$t.log" | tail -1)"
	else
		failed=1
		echo "not ok $n - $t"
		grep -vE '^#[0-9]|^NEW_FUNC|^INFO' "$work/$t.log" | head -n 60 | sed 's/^/# /'
		for f in "$work/found/$t-"*; do [ ! -e "$f" ] || { echo "# $f:"; base64 "$f" | head -n 20 | sed 's/^/# /'; }; done
	fi
}

# shellcheck disable=SC2086
set -- $targets
while [ $# -gt 0 ]; do
	a=$1
	b=${2:-}
	shift
	one "$a" & pid_a=$!
	if [ -n "$b" ]; then
		shift
		one "$b" & pid_b=$!
	fi
	wait $pid_a
	report "$a" $?
	if [ -n "$b" ]; then
		wait $pid_b
		report "$b" $?
	fi
done
echo "1..$n"
exit $failed
