#!/bin/bash
# The README's quick start runs as it stands (with a directory of the test's own).  Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d /tmp/supertable-readme.XXXXXX)
chmod 755 "$work"
mkdir "$work/lake"
chown postgres "$work" "$work/lake"
bin=${STBL_BINDIR:-/usr/lib/postgresql/15/bin}
as_user() { (cd "$work" && su postgres -s /bin/bash -c "export PATH=$bin:\$PATH; $1"); }
trap 'as_user "pg_ctl -D $work/data -m immediate stop" >/dev/null 2>&1; rm -rf "$work"' EXIT
as_user "initdb -D '$work/data' -A trust -E UTF8 --locale=C.UTF-8 >/dev/null"
as_user "printf \"port = 5997\nunix_socket_directories = '$work'\nlisten_addresses = ''\n\" >> '$work/data/postgresql.conf'; pg_ctl -D '$work/data' -l '$work/log' -w start >/dev/null"
awk '/^```sql/ { p = 1; next } /^```/ { p = 0 } p' README.md | sed "s|/srv/lake|$work/lake|" > "$work/quick.sql"
if "$bin/psql" -XAtq -h "$work" -p 5997 -U postgres -d postgres -v ON_ERROR_STOP=1 -f "$work/quick.sql" > "$work/out" 2>&1; then
	echo "ok 1 - the quick start runs"
else
	echo "not ok 1 - the quick start runs"
	sed 's/^/# /' "$work/out"
fi
if grep -q '^1000|10$' "$work/out"; then echo "ok 2 - its query gives what it should"; else echo "not ok 2 - its query gives what it should"; fi
missing=$(grep -oE 'docs/[a-z-]+\.md' README.md | sort -u | while read -r d; do [ -e "$d" ] || echo "$d"; done)
if [ -z "$missing" ]; then echo "ok 3 - the documents it names exist"; else echo "not ok 3 - missing: $missing"; fi
echo "1..3"
