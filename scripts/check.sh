#!/bin/bash
# Every test.  The last line is "N passed, N failed".
#
#	--long           the exhaustive variants too
#	--only STEP      one step: build, rooms, unit, regress, isolation, tap, interop, readme
set -u
cd "$(dirname "$0")/.."
src=$PWD
only=""
export STBL_LONG=""
while [ $# -gt 0 ]; do
	case $1 in
		--long) export STBL_LONG=1 ;;
		--only) only=$2; shift ;;
		*) echo "unknown option $1" >&2; exit 2 ;;
	esac
	shift
done

passed=0
failed=0
work=$(mktemp -d /tmp/supertable-check.XXXXXX)
trap 'cd /; rm -rf "$work"' EXIT
chmod 755 "$work"

note() { if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok - $2"; else failed=$((failed + 1)); echo "not ok - $2"; fi; }

# Runs a command that prints TAP; its ok and not ok lines are counted.
tap() {
	local name=$1 log="$work/$1.log" status
	shift
	"$@" > "$log" 2>&1
	status=$?
	local n_ok n_bad
	n_ok=$(grep -cE '^[[:space:]]*ok\b' "$log")
	n_bad=$(grep -cE '^[[:space:]]*not ok\b' "$log")
	passed=$((passed + n_ok))
	failed=$((failed + n_bad))
	grep -vE '^[[:space:]]*ok\b' "$log" | tail -n 60
	if [ "$status" != 0 ] && [ "$n_bad" = 0 ]; then note 1 "$name exits with $status"; fi
	if [ "$n_ok" = 0 ]; then note 1 "$name ran no test"; fi
	echo "# $name: $n_ok passed, $n_bad failed"
}

step() {
	[ -z "$only" ] || [ "$only" = "$1" ] || return 0
	local t0=$SECONDS
	echo "== $1"
	"step_$1"
	echo "# $1 took $((SECONDS - t0)) s"
}

bash scripts/install-deps.sh || { note 1 "install-deps"; echo "$passed passed, $failed failed"; exit 1; }
export PATH=/usr/lib/postgresql/15/bin:$PATH
export PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
pgxs=$(dirname "$(dirname "$(dirname "$($PG_CONFIG --pgxs)")")")
user=postgres
id $user >/dev/null 2>&1 || useradd --system --create-home $user
as_user() { su $user -s /bin/bash -c "export PATH='$PATH'; $1"; }

rsync -a --exclude .git "$src/" "$work/tree/"
chown -R $user "$work/tree"

step_build() {
	make -s -C "$work/tree" -j2 with_llvm=no STBL_CFLAGS=-Werror > "$work/build.log" 2>&1
	note $? "build with gcc -Werror"
	grep -E 'error|warning' "$work/build.log" | head -20
	rsync -a --exclude .git --exclude '*.o' --exclude '*.so' "$src/" "$work/clang/"
	make -s -C "$work/clang" -j2 with_llvm=no CC=clang STBL_CFLAGS="-Werror -Wno-unknown-warning-option -Wno-ignored-attributes -Wno-ignored-optimization-argument -Wno-gnu-variable-sized-type-not-at-end" > "$work/clang.log" 2>&1
	note $? "build with clang -Werror"
	grep -E 'error|warning' "$work/clang.log" | head -20
	rm -rf "$work/clang"
	make -s -C "$work/tree" install with_llvm=no > "$work/install.log" 2>&1
	note $? "install"
	for m in "$work"/tree/test/modules/*/; do
		make -s -C "$m" with_llvm=no install > "$work/module.log" 2>&1
		note $? "build and install $(basename "$m")"
		grep -E 'error' "$work/module.log" | head
	done
	chown -R $user "$work/tree"
}

step_rooms() { tap rooms bash "$src/test/rooms.sh"; }
step_unit() { tap unit bash "$src/test/unit/run.sh"; }

# pg_regress and pg_isolation_regress in a cluster of their own.
regress() {
	local name=$1 program=$2 dir=$3 tests=$4
	as_user "cd '$work/tree/$dir' && '$program' --temp-instance='$work/tree/tmp_$name' --temp-config='$work/tree/test/temp.conf' --bindir=/usr/lib/postgresql/15/bin --inputdir=. --outputdir=. --dlpath=/usr/lib/postgresql/15/lib $tests" > "$work/$name.log" 2>&1
	local status=$?
	local n_ok n_bad
	n_ok=$(grep -cE '^test .*\bok\b' "$work/$name.log")
	n_bad=$(grep -cE '^test .*FAILED' "$work/$name.log")
	passed=$((passed + n_ok))
	failed=$((failed + n_bad))
	grep -vE '\bok\b' "$work/$name.log" | tail -20
	if [ $status != 0 ]; then
		[ "$n_bad" != 0 ] || note 1 "$name exits with $status"
		head -200 "$work/tree/$dir/regression.diffs" 2>/dev/null
	fi
	[ "$n_ok" != 0 ] || note 1 "$name ran no test"
	echo "# $name: $n_ok passed, $n_bad failed"
}

step_regress() {
	regress regress "$pgxs/src/test/regress/pg_regress" . "setup $(cd "$src/sql" && ls *.sql | sed 's/\.sql$//' | grep -v '^setup$' | tr '\n' ' ')"
}

step_isolation() {
	regress isolation "$pgxs/src/test/isolation/pg_isolation_regress" test/isolation "$(cd "$src/test/isolation/specs" && ls *.spec | sed 's/\.spec$//' | tr '\n' ' ')"
}

step_tap() {
	local t
	for t in "$src"/test/tap/t/*.pl; do
		local name
		name=$(basename "$t" .pl)
		tap "tap_$name" as_user "cd '$work/tree/test/tap' && mkdir -p tmp_check && export TESTDIR=\$PWD TESTLOGDIR=\$PWD/tmp_check/log TESTDATADIR=\$PWD/tmp_check PG_REGRESS='$pgxs/src/test/regress/pg_regress' STBL_LONG='$STBL_LONG' PERL5LIB='$pgxs/src/test/perl:$work/tree/test/tap/lib' && perl t/$name.pl"
	done
}

step_interop() { tap interop bash "$src/test/interop/run.sh" "$work/interop"; }
step_readme() { tap readme bash "$src/test/readme.sh"; }

for s in build rooms unit regress isolation tap interop readme; do step $s; done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
