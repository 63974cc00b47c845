#!/bin/bash
# The main job on real input: this machine's package catalogue as a supertable
# in a directory, changed, killed in the middle of a commit, and recovered.
# Needs Debian 12 and root; all that it makes is removed at the end, but for
# the packages it had to install.
set -eu
cd "$(dirname "$0")/.."
src=$PWD
. scripts/common.sh
bash scripts/install-deps.sh

# STBL_BINDIR: of another installation to show it with.
bin=${STBL_BINDIR:-/usr/lib/postgresql/15/bin}
export PATH=$bin:$PATH PG_CONFIG=$bin/pg_config
user=postgres
id $user >/dev/null 2>&1 || useradd --system --create-home $user
work=$(mktemp -d /tmp/supertable-demo.XXXXXX)
chmod 755 "$work"
as_user() { (cd "$work" && su $user -s /bin/bash -c "export PATH='$PATH'; $1"); }
made=""
cleanup() {
	as_user "pg_ctl -D '$work/data' -m immediate stop" >/dev/null 2>&1 || true
	for f in $made; do rm -rf "$f"; done
	rm -rf "$work"
}
trap cleanup EXIT

bold="" plain=""
[ ! -t 1 ] || { bold=$(printf '\033[1m'); plain=$(printf '\033[0m'); }
say() { printf '\n%s-- %s%s\n' "$bold" "$*" "$plain"; }
q() { psql -XAtq -h "$work" -p 5999 -U $user -d demo -v ON_ERROR_STOP=1 -c "$1"; }
show() { psql -Xq -h "$work" -p 5999 -U $user -d demo -v ON_ERROR_STOP=1 -P border=2 -c "$1"; }
die() { echo "demo failed: $*" >&2; exit 1; }

say "Building and installing the extension (and the test store that kills on demand)"
rsync -a --exclude .git "$src/" "$work/tree/"
make -s -C "$work/tree" -j2 with_llvm=no >"$work/build.log" 2>&1 || { tail "$work/build.log"; die "build"; }
made=$(new_files store_fault)
make -s -C "$work/tree" with_llvm=no install >/dev/null
make -s -C "$work/tree/test/modules/store_fault" with_llvm=no install >/dev/null 2>&1

say "A throw-away cluster, run as user $user; the lake is $work/lake"
mkdir "$work/lake"
chown $user "$work" "$work/lake"
as_user "initdb -D '$work/data' -A trust -E UTF8 --locale=C.UTF-8 >/dev/null"
as_user "printf \"port = 5999\nunix_socket_directories = '$work'\nlisten_addresses = ''\nlog_min_messages = warning\n\" >> '$work/data/postgresql.conf'"
as_user "pg_ctl -D '$work/data' -l '$work/log' -w start >/dev/null"
createdb -h "$work" -p 5999 -U $user demo

say "The package catalogue of this machine (apt-cache dumpavail) as CSV"
# A machine whose package lists were thrown away knows what is installed only.
[ "$(apt-cache dumpavail | grep -c '^Package: ')" -gt 10000 ] || apt-get update -qq
apt-cache dumpavail | perl -e '
	$/ = ""; sub c { my $v = shift; defined $v ? do { $v =~ s/"/""/g; "\"$v\"" } : "" }
	while (<STDIN>) {
		my %f; $f{$1} //= $2 while /^([A-Z][\w-]*): (.*)$/mg;
		print join(",", c($f{Package}), c($f{Version}), c($f{Section}), $f{"Installed-Size"} // "", c($f{Description} // $f{"Description-en"})), "\n" if $f{Package};
	}' > "$work/packages.csv"
chmod 644 "$work/packages.csv"
wc -l < "$work/packages.csv" | sed 's/$/ packages/'

say "CREATE EXTENSION, SERVER, FOREIGN TABLE; COPY in (a heap copy beside it, to compare with)"
q "CREATE EXTENSION supertable;
CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (url 'fault:file://$work/lake');
CREATE FOREIGN TABLE packages (name text, version text, section text, installed_kb bigint, description text)
	SERVER lake OPTIONS (path 'packages');
CREATE TABLE packages_heap (name text, version text, section text, installed_kb bigint, description text);
CREATE TABLE audit (at timestamptz DEFAULT now(), what text);"
time q "\\copy packages FROM '$work/packages.csv' CSV"
q "\\copy packages_heap FROM '$work/packages.csv' CSV"

sum="SELECT count(*) AS rows, coalesce(sum(hashtextextended(p::text, 0)::numeric), 0) AS checksum FROM"
compare() {
	local s h
	s=$(q "$sum packages p"); h=$(q "$sum packages_heap p")
	echo "supertable: $s"
	echo "heap copy : $h"
	[ "$s" = "$h" ] || die "supertable and heap copy differ"
}
compare

say "Plain SQL: the largest sections"
show "SELECT section, count(*), sum(installed_kb) / 1024 AS mib FROM packages GROUP BY 1 ORDER BY 3 DESC NULLS LAST LIMIT 5"

say "UPDATE and DELETE of thousands of rows"
for t in packages packages_heap; do
	q "UPDATE $t SET installed_kb = installed_kb + 1 WHERE section LIKE 'lib%'; DELETE FROM $t WHERE section = 'debug' OR section = 'doc'"
done
compare
show "SELECT count(*) AS superfiles, sum(n_rows) AS rows, sum(n_tombstoned) AS tombstoned, pg_size_pretty(sum(bytes)) AS size FROM supertable_files('packages')"

tx() { # name, section
	echo "BEGIN; INSERT INTO audit(what) VALUES ('$1'); UPDATE packages SET version = version || '+$1' WHERE section = '$2'; UPDATE packages_heap SET version = version || '+$1' WHERE section = '$2'; COMMIT"
}
killed() { # name, section, action, operation: runs a transaction whose backend dies there
	psql -XAtq -h "$work" -p 5999 -U $user -d demo >/dev/null 2>&1 <<SQL || true
SET store_fault.ops = 'write'; SET store_fault.action = '$3'; SET store_fault.at = $4;
$(tx "$1" "$2");
SQL
	for _ in $(seq 100); do q 'SELECT 1' >/dev/null 2>&1 && return; sleep 0.1; done
	die "the server does not come back"
}

# Storage writes of such a transaction: superfile, vectors, document, PREPARED; commit record; version, document.
say "SIGKILL before PostgreSQL's commit record: superfile, document and PREPARED are durable, the commit is not"
killed early web kill_after 4
echo "audit rows of it: $(q "SELECT count(*) FROM audit WHERE what = 'early'")"
show "SELECT wal_id, op_kind, state, n_targets, n_new_rows FROM supertable_wal('packages') WHERE state <> 'COMPLETE'"

say "SIGKILL after the commit record: committed, but not published yet"
killed late net kill_before 5
echo "audit rows of it: $(q "SELECT count(*) FROM audit WHERE what = 'late'")"
[ "$(q "SELECT count(*) FROM audit WHERE what = 'late'")" = 1 ] || die "the kill did not come after the commit record"
show "SELECT wal_id, op_kind, state, n_targets, n_new_rows FROM supertable_wal('packages') WHERE state <> 'COMPLETE'"

say "supertable_recover() finishes one and rolls the other back"
show "SELECT n_scanned, n_full_pipeline_completed AS completed, n_rolled_back AS rolled_back, n_quarantined AS quarantined, elapsed FROM supertable_recover('packages')"
echo "heap says: $(q "SELECT count(*) FILTER (WHERE version LIKE '%+early'), count(*) FILTER (WHERE version LIKE '%+late') FROM packages_heap") (early|late)"
compare
[ "$(q "SELECT count(*) FROM packages WHERE version LIKE '%+early%'")" = 0 ] || die "a rolled-back change is visible"

say "Another system asks for a DELETE: a request document is put into the folder by hand"
row=$(q "SELECT base_row_id FROM supertable_files('packages') ORDER BY added_version DESC LIMIT 1")
id=$(printf '%016x%016x' "$(date +%s%3N)" $((RANDOM * 32768 + RANDOM)))
targets=""; progress=""
for i in 0 1 2; do
	t=$(printf '%032x' $((row + i)))
	targets="$targets${targets:+,}\"$t\""
	progress="$progress${progress:+,}{\"target_id\":\"$t\",\"outcome\":\"PENDING\",\"tombstoned_in_superfile\":null}"
done
doc="{\"wal_id\":\"$id\",\"schema_version\":1,\"op_kind\":\"DELETE\",\"state\":\"INTENT\",\"created_at\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",\"lease\":null,\"predicate_repr\":\"by hand\",\"target_ids\":[$targets],\"new_row_count\":null,\"new_row_content_hash\":null,\"preallocated_superfile_id\":null,\"minted_id_spans\":null,\"tombstone_progress\":[$progress]}"
echo "$doc" | cut -c1-160
printf '%s' "$doc" > "$work/lake/packages/_supertable/wal/mutations/$id.json"
chown $user "$work/lake/packages/_supertable/wal/mutations/$id.json"
before=$(q "SELECT count(*) FROM packages")
show "SELECT n_scanned, n_tombstone_only_completed AS completed, total_targets_tombstoned AS tombstoned FROM supertable_recover('packages')"
after=$(q "SELECT count(*) FROM packages")
echo "rows: $before before, $after after"
[ $((before - after)) = 3 ] || die "the request was not carried out"
show "SELECT n_scanned, n_already_complete FROM supertable_recover('packages')"

say "Done: nothing lost, nothing doubled, nothing half-done"
