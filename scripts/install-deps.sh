#!/bin/bash
# Installs what building and testing need, on Debian 12 as root.  Does
# nothing where all of it is there.
set -eu

packages="postgresql-15 postgresql-client-15 postgresql-server-dev-15 gcc clang libclang-rt-14-dev make
	libjson-c-dev libroaring-dev libzstd-dev liblz4-dev libsnappy-dev libdeflate-dev
	libcurl4-openssl-dev libssl-dev
	libipc-run-perl perl python3 python3-venv rsync procps curl openssl"

missing=""
for p in $packages; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
# From wherever they are.
for c in node:nodejs npm:npm; do
	command -v "${c%:*}" >/dev/null || missing="$missing ${c#*:}"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# The tests bring their own clusters; do not let the package start one now.
conf=/etc/postgresql-common/createcluster.conf
if [ ! -e $conf ] && ! command -v pg_lsclusters >/dev/null; then
	mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' > $conf
	# The package lays its own file beside ours: that one stays.
	trap '[ ! -e $conf.ucf-dist ] || mv -f $conf.ucf-dist $conf' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
