//go:build linux && compare

package compare

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	moby "github.com/moby/moby/client"
)

// alone starts layerlab without an engine beside it.
func alone(t *testing.T) (*engine, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	archive := sample(t)
	return startLayerlab(t), archive
}

func TestDockerPyDrivesIt(t *testing.T) {
	python := "/usr/bin/python3" // Debian's, which python3-docker belongs to
	if err := exec.Command(python, "-c", "import docker").Run(); err != nil {
		t.Skip("Debian's python3-docker is not installed")
	}
	e, archive := alone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "testdata/life.py", e.socket, archive).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestSkopeoCopiesOutAndIn copies an image out of the server and in again, under
// another name; the image is the same.
func TestSkopeoCopiesOutAndIn(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	e, archive := alone(t)
	e.prepare(t, archive)
	must(t, os.WriteFile(e.folder+"/policy.json", []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644))
	host := "unix://" + e.socket
	for _, line := range []string{
		"skopeo --policy policy.json copy --src-daemon-host " + host + " docker-daemon:lab:1 oci:out:lab",
		"skopeo --policy policy.json copy --dest-daemon-host " + host + " oci:out:lab docker-daemon:again:1",
		"docker run --rm again:1 echo runs",
		`[ "$(docker inspect -f '{{.RootFS.Layers}}' lab:1)" = "$(docker inspect -f '{{.RootFS.Layers}}' again:1)" ]`,
		"skopeo inspect --daemon-host " + host + " docker-daemon:lab:1 >/dev/null",
	} {
		if a := e.sh(t.Context(), line); a.exit != 0 {
			t.Fatalf("%s: %s", line, a)
		}
	}
}

// TestGoClientDrivesIt is a life of an image and a container by moby's client,
// as programs written in Go have it.
func TestGoClientDrivesIt(t *testing.T) {
	e, archive := alone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := moby.New(moby.WithHost("unix://" + e.socket))
	must(t, err)
	defer c.Close()
	_, err = c.Ping(ctx, moby.PingOptions{NegotiateAPIVersion: true})
	must(t, err)
	t.Logf("API %s", c.ClientVersion())

	f, err := os.Open(archive)
	must(t, err)
	defer f.Close()
	loaded, err := c.ImageLoad(ctx, f)
	must(t, err)
	words, err := io.ReadAll(loaded)
	must(t, err)
	loaded.Close()
	if !strings.Contains(string(words), "Loaded image: layerlab/sample:latest") {
		t.Errorf("load says %s", words)
	}
	_, err = c.ImageTag(ctx, moby.ImageTagOptions{Source: "layerlab/sample:latest", Target: "go:1"})
	must(t, err)
	img, err := c.ImageInspect(ctx, "go:1")
	must(t, err)
	if len(img.RepoTags) != 2 || img.Os != "linux" {
		t.Errorf("image: %+v", img)
	}

	watched := c.Events(ctx, moby.EventsListOptions{})
	made, err := c.ContainerCreate(ctx, moby.ContainerCreateOptions{
		Name: "box", Config: &container.Config{Image: "go:1", Cmd: []string{"sh", "-c", "echo out; echo err >&2; cat /in/file; exit 4"}},
	})
	must(t, err)
	_, err = c.CopyToContainer(ctx, made.ID, moby.CopyToContainerOptions{DestinationPath: "/", Content: tarOf(t, "in/file", "text")})
	must(t, err)
	ends := c.ContainerWait(ctx, made.ID, moby.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	_, err = c.ContainerStart(ctx, made.ID, moby.ContainerStartOptions{})
	must(t, err)
	select {
	case end := <-ends.Result:
		if end.StatusCode != 4 {
			t.Errorf("exit code %d", end.StatusCode)
		}
	case err := <-ends.Error:
		t.Fatal(err)
	}
	logs, err := c.ContainerLogs(ctx, made.ID, moby.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	must(t, err)
	var stdout, stderr bytes.Buffer
	_, err = stdcopy.StdCopy(&stdout, &stderr, logs)
	must(t, err)
	logs.Close()
	if stdout.String() != "out\ntext" || stderr.String() != "err\n" {
		t.Errorf("logs: %q, %q", &stdout, &stderr)
	}
	copied, err := c.CopyFromContainer(ctx, made.ID, moby.CopyFromContainerOptions{SourcePath: "/in/file"})
	must(t, err)
	tr := tar.NewReader(copied.Content)
	_, err = tr.Next()
	must(t, err)
	if b, err := io.ReadAll(tr); err != nil || string(b) != "text" || copied.Stat.Size != 4 {
		t.Errorf("copied %q, %v, %+v", b, err, copied.Stat)
	}
	copied.Content.Close()
	changes, err := c.ContainerDiff(ctx, made.ID, moby.ContainerDiffOptions{})
	must(t, err)
	if len(changes.Changes) != 2 {
		t.Errorf("changes: %+v", changes.Changes)
	}
	committed, err := c.ContainerCommit(ctx, made.ID, moby.ContainerCommitOptions{Reference: "go:2", Comment: "made"})
	must(t, err)
	if second, err := c.ImageInspect(ctx, "go:2"); err != nil || second.ID != committed.ID {
		t.Errorf("%v, %+v", err, second)
	}
	_, err = c.ContainerRemove(ctx, made.ID, moby.ContainerRemoveOptions{RemoveVolumes: true})
	must(t, err)
	for _, ref := range []string{"go:2", "go:1", "layerlab/sample:latest"} {
		_, err = c.ImageRemove(ctx, ref, moby.ImageRemoveOptions{})
		must(t, err)
	}
	if list, err := c.ImageList(ctx, moby.ImageListOptions{All: true}); err != nil || len(list.Items) != 0 {
		t.Errorf("%v, %+v", err, list)
	}
	for _, want := range []string{"create", "extract-to-dir", "start", "die", "archive-path", "commit", "destroy"} {
		for {
			var got string
			select {
			case m := <-watched.Messages:
				if m.Type != "container" {
					continue
				}
				got = string(m.Action)
			case err := <-watched.Err:
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("event %s, want %s", got, want)
			}
			break
		}
	}
}

// tarOf is an archive of one file.
func tarOf(t *testing.T, name, content string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
	_, err := w.Write([]byte(content))
	must(t, err)
	must(t, w.Close())
	return &b
}
