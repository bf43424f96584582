# The way out of an ordinary user's containers, through what 11.0.0.1 stands in
# for: a server and a resolver of the world.
. "${0%/*}/user.sh"
mkdir "$D/dev"
mount -t tmpfs -o mode=755 dev "$D/dev"
mknod -m 600 "$D/dev/tun" c 10 200
mount --bind "$D/dev/tun" /dev/net/tun
echo 'nameserver 11.0.0.1' >"$D/resolv"
mount --bind "$D/resolv" /etc/resolv.conf

# Who may not open the device is told so at the start.
refused() { (WITHIN="timeout 60" && serve --egress allow); }
says 'chmod 0666 /dev/net/tun' refused
chmod 666 "$D/dev/tun"

begin --egress allow --egress-allow 11.0.0.1
docker load -q -i "$SAMPLE" >/dev/null
docker tag layerlab/sample:latest lab:1
docker run -d --name c1 lab:1 sleep 1000 >/dev/null
is 'of the world' docker exec c1 wget -O - http://11.0.0.1:8000/
is 'of the world' docker exec c1 wget -O - http://there.example:8000/
says 'no route to host' docker exec c1 wget -O - http://10.5.0.1:8000/
timeout 30 sh -c 'until grep -q "$1" "$0"; do :; done' "$D/log" 'way out was refused.*"to":"10.5.0.1".*"reason":"private"'

# It goes on while the server is killed, and the next one takes it over.
kill -9 "$SERVER"
wait "$SERVER" || true
begin --egress allow --egress-allow 11.0.0.1
is 'of the world' docker exec c1 wget -O - http://there.example:8000/
end
begin
says 'no route to host' docker exec c1 wget -O - http://11.0.0.1:8000/
docker rm -f c1 >/dev/null
end
