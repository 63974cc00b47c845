#!/bin/bash
# Every test.  The last line is "N passed, N failed".  Needs Debian 12 and
# root; what it needs more it installs, what it makes it removes.
#
#	--long             the exhaustive variants too
#	--all-stores       more S3 servers: Versity, which is built first (minutes),
#	                   and Ceph's, with Debian's packages
#	--only STEP        this step alone (may be given again): build, rooms, unit,
#	                   regress, s3, versity, ceph, azure, gcs, isolation, tap, interop, readme, fuzz
#	--assert-server    against PostgreSQL built with assertions from Debian's source
#	--discard-caches   the regression and isolation tests, on such a server, with
#	                   debug_discard_caches = 1
set -u
cd "$(dirname "$0")/.." || exit 1
src=$PWD
. scripts/common.sh
only=""
assert_server=""
discard=""
others=""
export STBL_LONG=""
while [ $# -gt 0 ]; do
	case $1 in
		--long) STBL_LONG=1 ;;
		--all-stores) others="versity ceph" ;;
		--only) only="$only ${2:-}"; case ${2:-} in versity | ceph) case $others in *"$2"*) ;; *) others="$others $2" ;; esac ;; esac; shift ;;
		--assert-server) assert_server=1 ;;
		--discard-caches) assert_server=1; discard=1; only=" build regress isolation" ;;
		*) echo "unknown option $1" >&2; exit 2 ;;
	esac
	shift
done

passed=0
failed=0
work=$(mktemp -d /tmp/supertable-check.XXXXXX)
chmod 755 "$work"
made=""
store_pid=""
lanes=""
gcs_install=""
# What the system's PostgreSQL did not have before is taken out of it again.
cleanup() {
	cd /
	[ -z "$store_pid" ] || kill -9 "$store_pid"
	for f in $lanes $gcs_install; do kill "$f" $(pgrep -P "$f"); done
	[ ! -e "$work/ceph/others" ] || xargs kill -9 < "$work/ceph/others"
	for f in $made; do rm -rf "$f"; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

note() { if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok - $2"; else failed=$((failed + 1)); echo "not ok - $2"; fi; }
finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ] && [ "$passed" -gt 0 ]; exit; }

# Counts the ok and not ok lines of a log; a skipped test has not passed.
count() {
	local name=$1 status=$2 log=$3 n_ok n_bad n_skip
	n_skip=$(grep -ciE '^[[:space:]]*ok\b.*# skip' "$log")
	n_ok=$(($(grep -cE '^[[:space:]]*ok\b' "$log") - n_skip))
	n_bad=$(($(grep -cE '^[[:space:]]*not ok\b' "$log") + n_skip))
	passed=$((passed + n_ok))
	failed=$((failed + n_bad))
	grep -vE '^[[:space:]]*ok\b' "$log" | tail -n 60
	if [ "$status" != 0 ] && [ "$n_bad" = 0 ]; then note 1 "$name exits with $status"; fi
	if [ "$n_ok" = 0 ] && [ "$n_bad" = 0 ]; then note 1 "$name ran no test"; fi
	echo "# $name: $n_ok passed, $n_bad failed"
}

# Runs a command that prints TAP.
tap() {
	local name=$1
	shift
	"$@" > "$work/$name.log" 2>&1 < /dev/null
	count "$name" $? "$work/$name.log"
}

step() {
	case "$only " in " " | *" $1 "*) ;; *) return 0 ;; esac
	local t0=$SECONDS
	echo "== $1"
	"step_$1"
	echo "# $1 took $((SECONDS - t0)) s"
}

t0=$SECONDS
bash scripts/install-deps.sh || { note 1 "install-deps"; finish; }
echo "# install-deps took $((SECONDS - t0)) s"

# STBL_BINDIR: of another installation to test with.
export STBL_BINDIR=${STBL_BINDIR:-/usr/lib/postgresql/15/bin}
if [ -n "$assert_server" ]; then
	t0=$SECONDS
	# STBL_ASSERT_PREFIX: one that was built before.
	prefix=${STBL_ASSERT_PREFIX:-$work/pgsql}
	[ -x "$prefix/bin/postgres" ] || bash scripts/build-assert-server.sh "$prefix" > "$work/server.log" 2>&1 ||
		{ tail -20 "$work/server.log"; note 1 "build of the server with assertions"; finish; }
	"$prefix/bin/postgres" --version
	echo "# server took $((SECONDS - t0)) s"
	STBL_BINDIR=$prefix/bin
	# The packaged server's files are not to be touched.
	case $("$STBL_BINDIR/pg_config" --pkglibdir) in
		"$prefix"/*) ;;
		*) note 1 "the server with assertions has its libraries under $prefix"; finish ;;
	esac
fi
export PATH=$STBL_BINDIR:$PATH
export PG_CONFIG=$STBL_BINDIR/pg_config
pgtest=$(dirname "$(dirname "$($PG_CONFIG --pgxs)")")/test
libdir=$($PG_CONFIG --pkglibdir)
user=postgres
id $user >/dev/null 2>&1 || useradd --system --create-home $user
as_user() { su $user -s /bin/bash -c "export PATH='$PATH'; $1" < /dev/null; }

rsync -a --exclude .git --exclude '*.o' --exclude '*.so' --exclude '*.bc' "$src/" "$work/tree/"
cp "$src/test/temp.conf" "$work/temp.conf"
[ -z "$discard" ] || echo "debug_discard_caches = 1" >> "$work/temp.conf"
mkdir "$work/lake"
echo "supertable_test.lake = '$work/lake'" >> "$work/temp.conf"
chown -R $user "$work/tree" "$work/lake"

step_build() {
	local m
	made=$(new_files store_count store_fault)
	make -s -C "$work/tree" -j2 with_llvm=no STBL_CFLAGS=-Werror > "$work/build.log" 2>&1
	note $? "build with gcc -Werror"
	grep -E 'error|warning' "$work/build.log" | head -20
	rsync -a --exclude .git --exclude '*.o' --exclude '*.so' "$src/" "$work/clang/"
	make -s -C "$work/clang" -j2 with_llvm=no CC=clang STBL_CFLAGS="-Werror -Wno-unknown-warning-option -Wno-ignored-attributes -Wno-ignored-optimization-argument -Wno-gnu-variable-sized-type-not-at-end" > "$work/clang.log" 2>&1
	note $? "build with clang -Werror"
	grep -E 'error|warning' "$work/clang.log" | head -20
	rm -rf "$work/clang"
	make -s -C "$work/tree" install with_llvm=no > "$work/install.log" 2>&1
	local status=$?
	note $status "install"
	for m in "$work"/tree/test/modules/*/; do
		make -s -C "$m" with_llvm=no install > "$work/module.log" 2>&1
		note $? "build and install $(basename "$m")"
		grep -E 'error' "$work/module.log" | head
	done
	chown -R $user "$work/tree"
	[ $status = 0 ] || { echo "# the build cannot be installed: what needs a server would test another one"; only=" rooms unit"; }
}

step_rooms() { tap rooms bash "$src/test/rooms.sh"; }
step_unit() { tap unit bash "$src/test/unit/run.sh"; }

# pg_regress and pg_isolation_regress in a cluster of their own.
regress() {
	local name=$1 program=$2 dir=$3 tests=$4 conf=${5:-$work/temp.conf} status n_ok n_bad
	as_user "cd '$work/tree/$dir' && '$program' --temp-instance='$work/tree/tmp_$name' --temp-config='$conf' --bindir='$STBL_BINDIR' --inputdir=. --outputdir=. --dlpath='$libdir' $tests" > "$work/$name.log" 2>&1
	status=$?
	n_ok=$(grep -cE '^test .*\bok\b' "$work/$name.log")
	n_bad=$(grep -cE '^test .*FAILED' "$work/$name.log")
	passed=$((passed + n_ok))
	failed=$((failed + n_bad))
	grep -vE '\bok\b' "$work/$name.log" | tail -20
	if [ $status != 0 ]; then
		[ "$n_bad" != 0 ] || note 1 "$name exits with $status"
		head -200 "$work/tree/$dir/regression.diffs" 2>/dev/null
	fi
	[ "$n_ok" != 0 ] || [ "$n_bad" != 0 ] || note 1 "$name ran no test"
	echo "# $name: $n_ok passed, $n_bad failed"
}

names() { (cd "$1" 2>/dev/null && find . -maxdepth 1 -name "*.$2" | sed "s|^\./||; s|\.$2\$||" | sort | tr '\n' ' '); }

# setup comes first: the others need what it makes.
step_regress() {
	regress regress "$pgtest/regress/pg_regress" . "setup $(names "$src/sql" sql | sed -E 's/(^| )setup /\1/')"
}

# The SQL tests on an object store, at the highest log level, where no secret
# may show: store_sql NAME SECRET SERVER_OPTIONS MAPPING_OPTIONS.
store_sql() {
	local name=$1 secret=$2 dir=$work/$1_options tests
	mkdir "$dir"
	echo "$3" > "$dir/server"
	echo "$4" > "$dir/mapping"
	export STBL_STORE=$dir
	sed 's/^log_min_messages.*/log_min_messages = debug5/' "$work/temp.conf" > "$work/temp_$name.conf"
	tests=$(bash "$src/test/conformance/sql.sh" "$work/tree/$name")
	chown -R $user "$work/tree/$name"
	regress "${name}_sql" "$pgtest/regress/pg_regress" "$name" "$tests" "$work/temp_$name.conf"
	grep -qF 'DEBUG' "$work/tree/$name/log/postmaster.log"
	note $? "$name: the server logged at the highest level"
	! grep -qF -e "$secret" -e the-secret-that-nobody-sees "$work/tree/$name/log/postmaster.log"
	note $? "L35: $name: no secret is in its log"
}

# An S3 server of the tests' user, who kills it in the middle of them: s3_server SCRIPT FOLDER [tls].
s3_server() {
	mkdir "$2"
	secret=$(head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n')
	echo "$secret" > "$2/secret"
	chown -R $user "$2"
	endpoint=$(as_user "bash '$work/tree/scripts/$1' '$2' check-key '$secret' ${3:-}") || { note 1 "$1: an S3 server can be installed and started"; return 1; }
	store_pid=$(cat "$2/pid")
}

# The server that is there last: it was killed and started again.
end_s3_server() {
	kill -9 "$(cat "$1/pid")"
	store_pid=""
}

# A TAP test on it, through the store that fails on demand: tap_s3 TEST NAME FOLDER [SETTING=VALUE]...
tap_s3() {
	local test=$1 name=$2 dir=$3 t1=$SECONDS
	shift 3
	tap "tap_$name" as_user "export STBL_TAP_STORE=s3 STBL_S3_BASE=s3://lake/$name STBL_S3_ENDPOINT='$endpoint' STBL_S3_CA='${ca_file:-}' STBL_S3_KEY=check-key STBL_S3_SECRET_FILE='$dir/secret' $* && $(tap_command "$test")"
	store_pid=$(cat "$dir/pid")
	echo "# $name took $((SECONDS - t1)) s"
}

# Every driver by one suite; the SQL tests, the crash points and the storm on an S3 server, by TLS and HTTP/2.
step_s3() {
	local dir=$work/s3 secret endpoint ca_file=$work/s3/cert.pem
	s3_server s3-server.sh "$dir" tls || return
	tap conformance bash "$src/test/conformance/run.sh" "s3://lake/conformance/suite endpoint=$endpoint ca_file=$ca_file access_key_id=check-key secret_access_key=$secret upload=300000007 backslash=off"
	store_sql s3 "$secret" "url 's3://lake/sql', endpoint '$endpoint', ca_file '$ca_file'" "access_key_id 'check-key', secret_access_key '$secret'"
	tap_s3 002_crash_points s3_crash_points "$dir"
	tap_s3 003_storm s3_storm "$dir" STBL_S3_KILL="'$dir/again'"
	end_s3_server "$dir"
}

# A second S3 server, which keeps its objects as files.
step_versity() {
	local dir=$work/versity secret endpoint
	s3_server versity-server.sh "$dir" || return
	tap conformance_versity bash "$src/test/conformance/run.sh" --only "s3://lake/conformance/suite endpoint=$endpoint access_key_id=check-key secret_access_key=$secret"
	store_sql versity "$secret" "url 's3://lake/sql', endpoint '$endpoint'" "access_key_id 'check-key', secret_access_key '$secret'"
	tap_s3 003_storm versity_storm "$dir" STBL_S3_KILL="'$dir/again'"
	end_s3_server "$dir"
}

# Another, which tells etags with quotes and knows them again only without.
step_ceph() {
	local dir=$work/ceph secret endpoint
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ceph-mon ceph-osd radosgw > /dev/null || { note 1 "Ceph is installed"; return; }
	s3_server ceph-server.sh "$dir" || return
	tap conformance_ceph bash "$src/test/conformance/run.sh" --only "s3://lake/conformance/suite endpoint=$endpoint access_key_id=check-key secret_access_key=$secret etags=bare"
	store_sql ceph "$secret" "url 's3://lake/sql', endpoint '$endpoint'" "access_key_id 'check-key', secret_access_key '$secret'"
	tap_s3 003_storm ceph_storm "$dir" STBL_S3_KILL="'$dir/again'"
	end_s3_server "$dir"
	xargs kill -9 < "$dir/others"
	rm "$dir/others"
}

# The same on Azurite, with TLS: by the account's key, then by a shared access signature.
step_azure() {
	local dir=$work/azure key sas endpoint at
	mkdir "$dir"
	key=$(head -c 64 /dev/urandom | base64 -w 0)
	endpoint=$(bash "$src/scripts/azure-server.sh" "$dir" checkaccount "$key") || { note 1 "an Azure server can be installed and started"; return; }
	store_pid=$(cat "$dir/pid")
	chmod a+r "$dir/cert.pem"
	at="endpoint=$endpoint account_name=checkaccount ca_file=$dir/cert.pem"
	tap conformance_azure bash "$src/test/conformance/run.sh" --only "az://lake/conformance/suite $at account_key=$key upload=150000007 listed=600 backslash=off"
	sas=$(STBL_KEY=$key python3 "$src/test/conformance/sas.py" checkaccount)
	store_sql azure "$(echo "$sas" | sed 's/.*sig=\([^&]*\).*/\1/')" "url 'az://lake/sql', account_name 'checkaccount', endpoint '$endpoint', ca_file '$dir/cert.pem'" "sas_token '$sas'"
	kill "$store_pid"
	store_pid=""
}

# And on an emulator of Google Cloud Storage, with TLS; it lets any token in.
step_gcs() {
	local dir=$work/gcs_server token endpoint
	[ -z "$gcs_install" ] || wait "$gcs_install"
	gcs_install=""
	mkdir -p "$dir"
	token=ya29.$(head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n')
	endpoint=$(bash "$src/scripts/gcs-server.sh" "$dir") || { note 1 "an emulator of GCS can be built and started"; return; }
	store_pid=$(cat "$dir/pid")
	chmod a+r "$dir/cert.pem"
	tap conformance_gcs bash "$src/test/conformance/run.sh" --only "gs://lake/conformance/suite endpoint=$endpoint ca_file=$dir/cert.pem"
	store_sql gcs "$token" "url 'gs://lake/sql', endpoint '$endpoint', ca_file '$dir/cert.pem'" "access_token '$token'"
	kill -9 "$store_pid"
	store_pid=""
}

step_isolation() {
	local tests
	tests=$(names "$src/test/isolation/specs" spec)
	if [ -z "$tests" ]; then note 1 "there are isolation specs"; return; fi
	# Their folders have fixed names: one run at a time on a machine.
	exec 9< /tmp
	flock 9
	regress isolation "$pgtest/isolation/pg_isolation_regress" test/isolation "$tests"
	exec 9>&-
}

# The command that runs a TAP test.
tap_command() {
	echo "cd '$work/tree/test/tap' && mkdir -p tmp_check && export TESTLOGDIR=\$PWD/tmp_check/log TESTDATADIR=\$PWD/tmp_check PG_REGRESS='$pgtest/regress/pg_regress' STBL_LONG='$STBL_LONG' PERL5LIB='$pgtest/perl:$work/tree/test/tap/lib' && perl t/$1.pl"
}

# Runs TAP tests one after another; their logs, and how they ended, are counted later.
tap_lane() {
	local name t1
	for name in "$@"; do
		t1=$SECONDS
		as_user "$(tap_command "$name")" > "$work/tap_$name.log" 2>&1
		echo "$? $((SECONDS - t1))" > "$work/tap_$name.end"
	done
}

# Two at once: the long ones mostly wait for servers that they have killed.
# What has half a second to end in has the machine for itself.
step_tap() {
	local all name long="" short="" alone="" status took
	all=$(names "$src/test/tap/t" pl)
	for name in $all; do
		case $name in
			002_crash_points | 003_storm) long="$long $name" ;;
			012_cancel) alone="$alone $name" ;;
			*) short="$short $name" ;;
		esac
	done
	# shellcheck disable=SC2086
	tap_lane $long &
	lanes=$!
	# shellcheck disable=SC2086
	tap_lane $short &
	lanes="$lanes $!"
	# shellcheck disable=SC2086
	wait $lanes
	# shellcheck disable=SC2086
	tap_lane $alone
	lanes=""
	for name in $all; do
		read -r status took < "$work/tap_$name.end"
		count "tap_$name" "$status" "$work/tap_$name.log"
		echo "# $name took $took s"
	done
}

step_interop() {
	if [ -n "$assert_server" ]; then echo "# other engines read what the packaged server writes: not run here"; return; fi
	tap interop bash "$src/test/interop/run.sh" "$work/interop"
}

step_fuzz() { tap fuzz bash "$src/test/fuzz/run.sh" 10; }

step_readme() { tap readme bash "$src/test/readme.sh"; }

# Building it takes a processor for a minute, and the tests of S3 mostly wait for servers.
install_gcs() {
	case "$only " in
		" " | *" gcs "*) ;;
		*) return ;;
	esac
	bash "$src/scripts/gcs-server.sh" "$work/gcs_server" install > "$work/gcs_install.log" 2>&1 &
	gcs_install=$!
}

for s in build rooms unit regress s3 $others azure gcs isolation tap interop readme fuzz; do
	[ $s != s3 ] || install_gcs
	step $s
done
finish
