# A life of an image and of a container, by docker-py. Any difference raises.
import io
import sys
import tarfile

import docker

socket, archive = sys.argv[1:]
client = docker.DockerClient(base_url="unix://" + socket, timeout=60)


def same(got, want):
    if got != want:
        raise AssertionError("got %r, want %r" % (got, want))


assert client.ping()
same(client.version()["Os"], "linux")
same(client.info()["OSType"], "linux")

with open(archive, "rb") as f:
    image = client.images.load(f.read())[0]
same(image.tags, ["layerlab/sample:latest"])
assert image.tag("py", tag="1")
image = client.images.get("py:1")
same(sorted(image.tags), ["layerlab/sample:latest", "py:1"])
assert len(image.history()) >= 4
same(client.images.list(name="py")[0].id, image.id)

same(client.containers.run("py:1", ["echo", "hello"], remove=True), b"hello\n")
try:
    client.containers.run("py:1", ["sh", "-c", "exit 3"], remove=True)
    raise AssertionError("an exit code of 3 was lost")
except docker.errors.ContainerError as e:
    same(e.exit_status, 3)
try:
    client.containers.get("nobody")
    raise AssertionError("nobody is there")
except docker.errors.NotFound:
    pass

box = client.containers.create("py:1", ["sh", "-c", "echo one; read line; echo got $line; while true; do sleep 0.1; done"],
                               name="box", stdin_open=True, labels={"who": "py"}, environment={"A": "b"},
                               volumes={"kept": {"bind": "/kept", "mode": "rw"}})
same(box.status, "created")
data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w") as t:
    entry = tarfile.TarInfo("file")
    entry.size = 4
    t.addfile(entry, io.BytesIO(b"text"))
assert box.put_archive("/", data.getvalue())

s = box.attach_socket(params={"stdin": 1, "stream": 1})
box.start()
s._sock.sendall(b"typed\n")
s.close()
for line in box.logs(stream=True, follow=True):
    if b"got typed" in line:
        break
box.reload()
same(box.status, "running")
same(box.attrs["Config"]["Labels"]["who"], "py")
same(box.attrs["Mounts"][0]["Name"], "kept")

same(box.exec_run(["cat", "/file"]), (0, b"text"))
same(box.exec_run("sh -c 'exit 5'").exit_code, 5)
same(box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True).output, (b"out\n", b"err\n"))
chunks, stat = box.get_archive("/file")
same(stat["size"], 4)
with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as t:
    same(t.extractfile("file").read(), b"text")
same(sorted(c["Path"] for c in box.diff()), ["/file", "/kept"] if {"Path": "/kept", "Kind": 1} in box.diff() else ["/file"])
assert box.top()["Titles"]
assert box.stats(stream=False)["memory_stats"]["usage"] > 0
box.pause()
box.reload()
same(box.status, "paused")
box.unpause()
box.rename("bax")
same(client.containers.list(filters={"label": "who=py"})[0].name, "bax")

made = box.commit("py", tag="2", message="made", author="me", changes=["CMD [\"cat\", \"/file\"]"])
same(made.attrs["Author"], "me")
same(client.containers.run("py:2", remove=True), b"text")
assert b"".join(box.export())[:1]
assert b"".join(made.save())[:1]

box.kill(signal="SIGKILL")
same(box.wait()["StatusCode"], 137)
box.start()
box.restart(timeout=0)
box.stop(timeout=0)
box.remove(v=True)

net = client.networks.create("n", driver="bridge")
web = client.containers.run("py:1", ["sh", "-c", "while true; do sleep 0.1; done"], name="web", network="n", detach=True, auto_remove=True)
same(client.containers.run("py:1", ["sh", "-c", "ping -c 1 -W 5 web >/dev/null && echo there"], network="n", remove=True), b"there\n")
web.kill()
try:
    web.wait(condition="removed")
except docker.errors.NotFound:
    pass  # it was faster
net.remove()
same([v.name for v in client.volumes.list()], ["kept"])
client.volumes.get("kept").remove()
df = client.df()
assert df.get("Images") or df["ImageUsage"]["TotalCount"]  # until and from API 1.52

client.images.remove("py:2")
client.images.remove("py:1")
client.images.remove("layerlab/sample:latest")
same(client.images.list(), [])
seen = [e["Action"] for e in client.events(since=0, until=int(__import__("time").time()) + 1, decode=True) if e["Type"] == "container"]
for action in ("create", "start", "attach", "die", "destroy", "kill", "pause", "unpause", "rename", "commit", "restart", "stop"):
    if action not in seen:
        raise AssertionError("no event %s in %s" % (action, seen))
print("the life of an image and a container:", docker.__version__)
