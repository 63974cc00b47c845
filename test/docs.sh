#!/bin/bash
# The documents agree with the code and with each other.  Prints TAP.
cd "$(dirname "$0")/.." || exit 1
n=0
bad=0
check() { n=$((n + 1)); if [ -z "$2" ]; then echo "ok $n - $1"; else bad=1; echo "not ok $n - $1"; echo "$2" | sed 's/^/# /'; fi; }

docs="README.md CONTRIBUTING.md CHANGELOG.md $(echo docs/*.md)"
# shellcheck disable=SC2086
check "every file a document names exists" "$(grep -oE '\b(src|docs|scripts|test|control|sql)/[A-Za-z0-9_./-]+[a-z]' $docs | sort -u |
	while IFS=: read -r doc f; do [ -e "$f" ] || echo "$doc names $f"; done)"
# shellcheck disable=SC2086
check "every setting a document names exists" "$(grep -ohE '\bsupertable\.(checkpoint|cluster|compression|fsync|http|lease|one|retry|row|superfile|cache)[a-z_]*' $docs | sort -u |
	while read -r s; do grep -q "\"$s\"" src/supertable.c || echo "$s"; done)"
# shellcheck disable=SC2086
check "every function a document names exists" "$(grep -ohE '\bsupertable_[a-z_]+\(' $docs | sort -u |
	while read -r f; do grep -qF "$f" control/supertable--*.sql || echo "$f)"; done)"
check "every function and view is in the README" "$(grep -ohE '^CREATE (FUNCTION|VIEW) supertable_[a-z_]+' control/supertable--*.sql | awk '{ print $3 }' |
	grep -vE '_fdw_|_stat_rows' | while read -r f; do grep -q "$f" README.md || echo "$f"; done)"
check "everything public has a comment" "$(grep -ohE '^CREATE (FUNCTION|VIEW|TABLE|SCHEMA|FOREIGN DATA WRAPPER) [a-z_.]+' control/supertable--*.sql |
	sed 's/^CREATE //' | while read -r what; do grep -qF "COMMENT ON $what" control/supertable--*.sql || echo "$what"; done)"
check "every default in the README is the code's" "$(sed -n 's/^| `\(supertable\.[a-z_]*\)` | \([^|]*\) |.*/\1 \2/p' README.md | while read -r s value; do
	line=$(tr '\n\t' '  ' < src/supertable.c | sed 's/DefineCustom/\n&/g' | grep "\"$s\"")
	case $value in
		on) echo "$line" | grep -q ', true, PGC' || echo "$s is not $value" ;;
		zstd) echo "$line" | grep -q '"zstd", PGC' || echo "$s is not $value" ;;
		*min) echo "$line" | grep -q ", $((${value%min} * 60000)), " || echo "$s is not $value" ;;
		*s) echo "$line" | grep -q ", $((${value%s} * 1000)), " || echo "$s is not $value" ;;
		1GB) echo "$line" | grep -q ', 1024, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MB' || echo "$s is not $value" ;;
		128MB) echo "$line" | grep -q ', 128 \* 1024, ' || echo "$s is not $value" ;;
		[0-9]*) echo "$line" | grep -q ", $value, " || echo "$s is not $value" ;;
	esac
done)"
check "tables of the documents are whole" "$(for f in README.md docs/*.md; do awk -v f="$f" '/^\|/ { k = gsub(/\\\|/, ""); c = gsub(/\|/, "|"); if (!t) t = c; if (c != t) print f ":" FNR; next } { t = 0 }' "$f"; done)"
echo "1..$n"
exit $bad
