# An ordinary user and what is done with a server of theirs: sourced by scripts
# that root runs as `unshare -m sh SCRIPT BIN SAMPLE`. The user is made in files
# that this mount namespace alone sees.
set -eu
BIN=$1 SAMPLE=$2 ID=54321
D=$(mktemp -d /var/tmp/layerlab-rootless-XXXXXX)
SERVER=
finish() {
	code=$?
	[ $code = 0 ] || { echo "--- server:"; cat "$D/log" || true; }
	docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || true
	[ -z "$SERVER" ] || kill "$SERVER" 2>/dev/null || true
	keeper=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$D/home/run/rootless.json" 2>/dev/null) || true
	[ -z "$keeper" ] || kill -9 "$keeper" 2>/dev/null || true
	umount -l "$D/dev" 2>/dev/null || true
	rm -rf "$D"
	exit $code
}
trap finish EXIT
mount --make-rprivate /
chmod 755 "$D"
mkdir "$D/bin" "$D/home"
cp "$BIN/layerlab" "$BIN/layerlab-helper" "$BIN/layerlab-egress" "$D/bin"
chown $ID:$ID "$D/home"
{ cat /etc/passwd; echo "rootless-test:x:$ID:$ID::$D/home:/bin/sh"; } >"$D/passwd"
echo "rootless-test:300000:65536" >"$D/subid"
mount --bind "$D/passwd" /etc/passwd
mount --bind "$D/subid" /etc/subuid
mount --bind "$D/subid" /etc/subgid
export DOCKER_HOST="unix://$D/home/d.sock" HOME="$D/home"

serve() { # FLAG…, as the user
	exec ${WITHIN:-} setpriv --reuid $ID --regid $ID --clear-groups env HOME="$D/home" LAYERLAB_DATA="" \
		"$D/bin/layerlab" serve --listen 127.0.0.1:0 --no-samples --read native \
		--data "$D/home/data" --run "$D/home/run" --docker-socket "$D/home/d.sock" "$@"
}
begin() {
	: >"$D/log"
	serve "$@" >>"$D/log" 2>&1 &
	SERVER=$!
	timeout 60 sh -c 'until grep -q "serves at" "$0"; do kill -0 "$1"; done' "$D/log" "$SERVER"
}
end() { kill "$SERVER"; wait "$SERVER" || true; }
says() { # WORDS COMMAND…: it fails with these words
	words=$1
	shift
	if out=$("$@" 2>&1); then echo "succeeds: $*"; exit 1; fi
	case $out in *"$words"*) ;; *) echo "$*: says not '$words' but: $out"; exit 1 ;; esac
}
is() { # WANT COMMAND…: it prints that
	want=$1
	shift
	out=$("$@" 2>&1) || { echo "$*: $out"; exit 1; }
	[ "$out" = "$want" ] || { echo "$*: '$out', not '$want'"; exit 1; }
}
