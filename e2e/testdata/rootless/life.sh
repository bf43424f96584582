# A server of an ordinary user, from what is missing to a whole life.
. "${0%/*}/user.sh"

# What is missing is said, and images can be looked at.
: >"$D/none"
mount --bind "$D/none" /etc/subuid
begin
grep -q 'add the line rootless-test:100000:65536' "$D/log"
is 0 docker info --format '{{.Containers}}'
end
umount /etc/subuid
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
docker exec c1 stat /h | grep -q 'Uid: (65534/'
docker create --name c0 -v "$D/shown:/h" lab:1 2>&1 >/dev/null | grep -q "WARNING: $D/shown belongs to nobody in the container"
docker rm c0 >/dev/null
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
says 'systemd-run --user --scope' docker run --rm -m 64m lab:1 true
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
