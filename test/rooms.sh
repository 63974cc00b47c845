#!/bin/bash
# The structure holds: includes point one way, files stay small, versions agree.  Prints TAP.
cd "$(dirname "$0")/.." || exit 1
n=0
bad=0
check() { n=$((n + 1)); if [ -z "$2" ]; then echo "ok $n - $1"; else bad=1; echo "not ok $n - $1"; echo "$2" | sed 's/^/# /'; fi; }

check "includes point from a room to the rooms below it" "$(grep -nE '^#include "' src/*/*.[ch] |
	awk -F'[:"]' 'BEGIN { k = split("common store parquet delta wal txn fdw admin", r, " "); for (i = 1; i <= k; i++) o[r[i]] = i }
	{ split($1, p, "/"); split($4, q, "/"); if ((p[2] in o) && (q[1] in o) && o[q[1]] > o[p[2]]) print $1 " includes " $4 }')"
check "only common/json.c includes json-c" "$(grep -lE 'json-c/' -r src | grep -v '^src/common/json.c$')"
check "codecs are free of the server" "$(grep -l 'postgres.h' src/common/{mem,buf,error,json,codec}.c src/parquet/*.c src/delta/{schema,stats,action,action_write,dv,guard,condemn,checkpoint_read,checkpoint_write}.c src/wal/statedoc*.c src/store/{file,text,xml,sigv4,endpoint,object,s3,az,sharedkey,credential,gs,jsonread,jwt}*.c src/store/http.c src/store/http_header.c 2>/dev/null)"
check "no header includes postgres.h" "$(grep -lE '^#include "postgres.h"' -r src --include='*.h')"
check "no source file is longer than 900 lines" "$(wc -l src/*.[ch] src/*/*.[ch] | awk '$2 != "total" && $1 > 900 { print $2 " has " $1 " lines" }')"
check "no function is longer than 120 lines" "$(awk 'FNR == 1 { s = 0 } /^\{/ { s = FNR } /^\}/ { if (s && FNR - s > 120) print FILENAME ":" s " has " FNR - s " lines"; s = 0 }' src/*.c src/*/*.c)"
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" control/supertable.control)
check "the version is the same everywhere" "$(
	[ -e "control/supertable--$version.sql" ] || echo "no control/supertable--$version.sql"
	[ "$(grep -c "\"version\": \"$version\"" META.json)" -ge 2 ] || echo "META.json does not say $version twice"
	grep -qm1 "^## $version" CHANGELOG.md || echo "CHANGELOG.md does not begin with $version")"
check "every setting is in the README" "$(grep -oE '"supertable\.[a-z_]+"' src/supertable.c | tr -d '"' | sort -u | while read -r s; do grep -q "$s" README.md || echo "$s"; done)"
echo "1..$n"
bash test/docs.sh || bad=1
exit $bad
