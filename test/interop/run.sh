#!/bin/bash
# Other engines read our tables row for row, and we read theirs: DuckDB,
# delta-rs, Polars, pyarrow.  Prints TAP.
#	run.sh WORKDIR
#	STBL_INTEROP_SPARK: by Spark too, which takes minutes and a JDK 17
set -eu
cd "$(dirname "$0")"
here=$PWD
work=${1:-$(mktemp -d /tmp/supertable-interop.XXXXXX)}
venv=${STBL_VENV:-$work/venv}
mkdir -p "$work"
chmod 755 "$work"
if [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 duckdb-extension-delta==1.5.5 pytz \
		deltalake==1.6.6 polars pyarrow pandas
fi
user=postgres
bin=${STBL_BINDIR:-/usr/lib/postgresql/15/bin}
mkdir -p "$work/run" "$work/lake"
chown $user "$work/run" "$work/lake"
as_user() { (cd "$work/run" && su $user -s /bin/bash -c "export PATH=$bin:\$PATH; $1"); }
trap 'as_user "pg_ctl -D $work/run/data -m immediate stop" >/dev/null 2>&1 || true' EXIT
as_user "initdb -D '$work/run/data' -A trust -E UTF8 --locale=C.UTF-8 >/dev/null"
as_user "printf \"port = 5998\nunix_socket_directories = '$work/run'\nlisten_addresses = ''\ntimezone = 'UTC'\n\" >> '$work/run/data/postgresql.conf'"
as_user "pg_ctl -D '$work/run/data' -l '$work/run/log' -w start >/dev/null"
chmod -R a+rX "$work/lake"
"$bin/psql" -Xq -h "$work/run" -p 5998 -U $user -d postgres -v ON_ERROR_STOP=1 -v lake="file://$work/lake" -f "$here/tables.sql"
status=0
"$venv/bin/python" "$here/readers.py" "$work/lake" "$work/run" || status=1
"$venv/bin/python" "$here/writers.py" "$work/lake" "$work/run" || status=1
if [ -n "${STBL_INTEROP_SPARK:-}" ]; then
	spark=${STBL_SPARK_VENV:-$work/spark}
	if [ ! -x "$spark/bin/python" ]; then
		python3 -m venv "$spark"
		"$spark/bin/pip" install -q --disable-pip-version-check pyspark==4.2.0 delta-spark==4.4.0 pyarrow
	fi
	"$spark/bin/python" "$here/spark_reads.py" "$work/lake" "$work/run" || status=1
	"$spark/bin/python" "$here/spark_writes.py" "$work/lake" "$work/run" || status=1
fi
exit $status
