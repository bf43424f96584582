# A server of an ordinary user, from what is missing to a whole life: run by
# root as `unshare -m sh life.sh BIN SAMPLE`, which makes the user in files that
# this mount namespace alone sees.
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
	umount -l "$D" 2>/dev/null || true
	rm -rf "$D"
	exit $code
}
trap finish EXIT
mount --make-rprivate /
chmod 755 "$D"
mkdir "$D/bin" "$D/home"
cp "$BIN/layerlab" "$BIN/layerlab-helper" "$D/bin"
chown $ID:$ID "$D/home"
{ cat /etc/passwd; echo "rootless-test:x:$ID:$ID::$D/home:/bin/sh"; } >"$D/passwd"
echo "rootless-test:300000:65536" >"$D/subid"
: >"$D/none"
mount --bind "$D/passwd" /etc/passwd
mount --bind "$D/none" /etc/subuid
mount --bind "$D/subid" /etc/subgid
export DOCKER_HOST="unix://$D/home/d.sock" HOME="$D/home"

begin() {
	: >"$D/log"
	setpriv --reuid $ID --regid $ID --clear-groups env HOME="$D/home" LAYERLAB_DATA="" \
		"$D/bin/layerlab" serve --listen 127.0.0.1:0 --no-samples --read native \
		--data "$D/home/data" --run "$D/home/run" --docker-socket "$D/home/d.sock" >>"$D/log" 2>&1 &
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

# What is missing is said, and images can be looked at.
begin
grep -q 'add the line rootless-test:100000:65536' "$D/log"
is 0 docker info --format '{{.Containers}}'
end
umount /etc/subuid
mount --bind "$D/subid" /etc/subuid
echo '#!/bin/sh' >"$D/plain" && chmod 755 "$D/plain"
mount --bind "$D/plain" "$(command -v newuidmap)"
begin
grep -q 'newuidmap is neither setuid root nor has file capabilities' "$D/log"
end
umount "$(command -v newuidmap)"

begin
! grep -q "can't run" "$D/log"
docker info --format '{{.SecurityOptions}}' | grep -q name=rootless
docker load -q -i "$SAMPLE" >/dev/null
docker tag layerlab/sample:latest lab:1
is "0 1 65536" docker run --rm lab:1 sh -c 'set -- $(cat /proc/self/uid_map); echo $1 $2 $3'
mkdir "$D/shown" && echo 'from the host' >"$D/shown/file" && chmod 755 "$D/shown"
docker network create net1 >/dev/null
docker run -d --name c1 --network net1 -p 127.0.0.1::8000 -p 127.0.0.1::5353/udp -v vol:/v -v "$D/shown:/h" lab:1 sh -c \
	'trap "exit 5" TERM; echo begun >/v/x; rm -rf /etc/my-app.d; mkdir /srv; echo new >/srv/new; httpd -p 8000 -t hello & while :; do sleep 0.1; done' >/dev/null
timeout 30 sh -c 'until docker exec c1 cat /srv/new >/dev/null 2>&1; do :; done'
is begun docker exec c1 cat /v/x
is 'from the host' docker exec c1 cat /h/file
says 'denied' docker exec c1 sh -c 'echo x >/h/new'
is 1000 docker exec -u 1000 c1 id -u
AT=$(docker port c1 8000/tcp)
timeout 30 sh -c 'until "$0" wget -O - http://"$1"/ 2>/dev/null | grep -q hello; do :; done' "$BIN/layerlab-userland" "$AT"
is hello docker run --rm --network net1 lab:1 wget -O - http://c1:8000/
docker diff c1 | grep -qx 'D /etc/my-app.d'
docker diff c1 | grep -qx 'A /srv/new'
docker commit c1 made:1 >/dev/null
is new docker run --rm made:1 sh -c 'test ! -e /etc/my-app.d && cat /srv/new'
docker cp c1:/srv/new "$D/copied" && grep -qx new "$D/copied"
docker cp "$D/copied" c1:/srv/back
is new docker exec c1 cat /srv/back
docker top c1 | grep -q httpd

# What takes more than an ordinary user has is refused by name.
says 'memory: not served to an ordinary user' docker run --rm -m 64m lab:1 true
says 'cpus: not served to an ordinary user' docker run --rm --cpus 1 lab:1 true
says 'pids-limit: not served to an ordinary user' docker run --rm --pids-limit 9 lab:1 true
says 'storage-opt size: not served to an ordinary user' docker run --rm --storage-opt size=10m lab:1 true
says 'limits and stats: not served to an ordinary user' docker stats --no-stream c1
says 'pause: not served to an ordinary user' docker pause c1
says 'pids-limit: not served to an ordinary user' docker update --pids-limit 9 c1
says 'permission denied' docker run --rm -p 127.0.0.1:81:81 lab:1 true

# The next server enters the same namespace; the container has not noticed.
kill -9 "$SERVER"
wait "$SERVER" || true
begin
is begun docker exec c1 cat /v/x
"$BIN/layerlab-userland" wget -O - "http://$AT/" | grep -q hello
docker stop c1 >/dev/null
is 'exited 5' docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' c1

# Nor does it outlive a shim that was killed.
docker run -d --name c2 lab:1 sleep 1000 >/dev/null
PID=$(docker inspect -f '{{.State.Pid}}' c2)
kill -9 "$(ps -o ppid= -p "$PID" | tr -d ' ')"
is 137 docker wait c2
timeout 30 sh -c 'while kill -0 "$0" 2>/dev/null && ! grep -q "^State:.Z" /proc/"$0"/status; do :; done' "$PID"
docker rm -f c1 c2 >/dev/null
docker volume rm vol >/dev/null
docker network rm net1 >/dev/null
end
