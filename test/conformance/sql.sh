#!/bin/bash
# Makes a copy of the SQL tests for a server on object storage: of the same
# statements the same is expected.  Prints the names of the tests.
#	sql.sh FOLDER
# Environment when they run: STBL_STORE, the name of a folder with two files:
# server and mapping, the options of CREATE SERVER and CREATE USER MAPPING.  A
# server logs its environment, so the secrets are not there.
set -eu
out=$1
cd "$(dirname "$0")/../.."
mkdir -p "$out/sql" "$out/expected"
cp sql/*.sql "$out/sql/"
cp expected/*.out "$out/expected/"

cat > "$out/sql/setup.sql" <<'SQL'
\set server `cat "$STBL_STORE/server"`
\set mapping `cat "$STBL_STORE/mapping"`
CREATE EXTENSION supertable;
CREATE SERVER lake FOREIGN DATA WRAPPER supertable OPTIONS (:server);
CREATE USER MAPPING FOR PUBLIC SERVER lake OPTIONS (:mapping);
SELECT capability, ok FROM supertable_storage_probe('lake');
SQL
{
	cat "$out/sql/setup.sql"
	# what the probe finds is the same everywhere
	sed -n '/^ capability/,$p' expected/setup.out
} > "$out/expected/setup.out"

# It damages objects in the directory by shell commands: no other store is read differently afterwards.
rm "$out/sql/errors.sql" "$out/expected/errors.out"
# So does its last part.
sed -i '/^-- the url itself/,$d' "$out/sql/import.sql" "$out/expected/import.out"
sed -i '/^-- decimals that a superfile has/,/^DROP FOREIGN TABLE cd, cd_narrow/d' "$out/sql/carry.sql" "$out/expected/carry.out"
# What a distant store is asked for is another matter: 011_reading and 012_cache of the TAP tests.
sed -i '/^EXPLAIN (ANALYZE/d' "$out/sql/constraints.sql"
sed -i '/^EXPLAIN (ANALYZE/,/^$/d' "$out/expected/constraints.out"
# The times of objects there are whole seconds, and a grace of 0 is less.
sed -i "/grace => '0'\|drop_storage('lake', 'g') >\|^INSERT INTO g VALUES ('2026\|^INSERT INTO g_heap/i \\\\\\\\! sleep 1.1" "$out/sql/gc.sql" "$out/expected/gc.out"

cd "$out/sql"
printf 'setup '
for f in *.sql; do
	[ "$f" = setup.sql ] || printf '%s ' "${f%.sql}"
done
