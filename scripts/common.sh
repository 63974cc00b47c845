# What check.sh and demo.sh share; sourced by them.

[ "$(id -u)" = 0 ] || { echo "run this as root: it installs packages and runs clusters as user postgres" >&2; exit 2; }

# A locale that every Debian has: initdb refuses what a session names and the
# machine lacks, and the expected output is that of UTF-8.
# shellcheck disable=SC2086
unset LANGUAGE LC_ALL ${!LC_*}
export LANG=C.UTF-8

# Of the files that installing the tree and the named test modules makes in
# the server of PG_CONFIG, those that are not there yet: what is to be taken
# out again afterwards.
new_files() {
	local libdir sharedir header f
	libdir=$($PG_CONFIG --pkglibdir)
	sharedir=$($PG_CONFIG --sharedir)
	header=$($PG_CONFIG --includedir-server)
	for f in extension supertable supertable_storage.h; do
		[ ! -e "$header" ] || header=$header/$f
	done
	for f in "$libdir/supertable.so" "$sharedir/extension/supertable.control" "$header" \
		control/supertable--*.sql "$@"; do
		case $f in
			control/*) f=$sharedir/extension/$(basename "$f") ;;
			/*) ;;
			*) f=$libdir/supertable_$f.so ;;
		esac
		[ -e "$f" ] || echo "$f"
	done
}
