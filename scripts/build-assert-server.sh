#!/bin/bash
# Builds PostgreSQL 15 with assertions from Debian's source package, as root.
#	build-assert-server.sh PREFIX
#
# Debian's patches fix the library directory of the packaged server in place:
# a patched tree installs over the packaged files whatever its prefix.  So the
# upstream tarball of the source package is built, without the patches, and by
# a user who cannot write anywhere else.
set -eu
prefix=$1
user=postgres
export DEBIAN_FRONTEND=noninteractive
missing=""
for p in perl bzip2 gcc make zlib1g-dev libicu-dev pkg-config libipc-run-perl; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	apt-get update -qq
	# shellcheck disable=SC2086
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
id $user >/dev/null 2>&1 || useradd --system --create-home $user

work=$(mktemp -d /tmp/supertable-server.XXXXXX)
trap 'cd /; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

# Source lists of our own, so that the machine's stay as they are.
mkdir -p parts lists/partial
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
	[ -e "$f" ] || continue
	case $f in
		*.sources) sed 's/^Types:.*/Types: deb-src/' "$f" > "parts/$(basename "$f")" ;;
		*.list) sed -n 's/^deb /deb-src /p' "$f" > "parts/$(basename "$f")" ;;
	esac
done
apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State::lists=$work/lists"
	-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
# Lists that are not Debian's may have no sources: their failure is not ours.
apt-get "${apt[@]}" -qq update || true
# The archive may name a version whose files are gone: take the newest there is.
got=""
versions=$(apt-cache "${apt[@]}" showsrc postgresql-15 2>/dev/null | sed -n 's/^Version: //p' | sort -Vru)
for v in $versions; do
	rm -f postgresql-15_*		# of a version that came in part
	if apt-get "${apt[@]}" -qq source --download-only "postgresql-15=$v"; then
		got=$v
		break
	fi
	echo "the source of version $v cannot be had" >&2
done
if [ -z "$got" ]; then
	echo "apt has no source of postgresql-15 that can be fetched; the lists name:" ${versions:-none} >&2
	exit 1
fi
echo "building from the source package of version $got"
tar xf postgresql-15_*.orig.tar.bz2
mkdir -p "$prefix"
chown -R $user "$prefix" postgresql-15*/
cd postgresql-15*/
as_user() { su $user -s /bin/bash -c "$1" < /dev/null; }
as_user "./configure -q --prefix='$prefix' --enable-cassert --enable-debug --enable-tap-tests --without-readline --with-icu CFLAGS='-O1 -g'"
as_user "make -s -j2 world-bin >/dev/null && make -s install-world-bin >/dev/null"
for d in --bindir --pkglibdir --sharedir --includedir-server --pgxs; do
	case $("$prefix/bin/pg_config" $d) in
		"$prefix"/*) ;;
		*) echo "pg_config $d leads out of $prefix" >&2; exit 1 ;;
	esac
done
"$prefix/bin/postgres" --version
