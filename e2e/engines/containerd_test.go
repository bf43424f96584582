//go:build linux && engines

package engines

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/tree"
)

// startContainerd starts one and returns its socket.
func startContainerd(t *testing.T, dir string) string {
	t.Helper()
	config := filepath.Join(dir, "containerd.toml")
	text := "version = 2\nroot = \"" + dir + "/c-root\"\nstate = \"" + dir + "/c-run\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"" + dir + "/c.sock\"\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, dir+"/containerd.log", dir+"/c.sock", "containerd", "--config", config)
	return dir + "/c.sock"
}

// ctr runs containerd's command and returns what it printed, and whether it
// went well.
func ctr(t *testing.T, socket string, args ...string) (string, bool) {
	t.Helper()
	out, err := exec.Command("ctr", append([]string{"--address", socket, "--namespace", "layerlab"}, args...)...).CombinedOutput()
	var x *exec.ExitError
	if err != nil && !errors.As(err, &x) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// TestContainerd reads the root that a container would get: the layers and an
// empty upper folder.
func TestContainerd(t *testing.T) {
	dir := folder(t)
	socket := startContainerd(t, dir)
	c := tally{engine: "containerd"}
	all := stacks(t, tree.ContainerdOverlayfs)
	file, root := filepath.Join(dir, "images.tar"), filepath.Join(dir, "m")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for len(all) > 0 {
		some := all[:min(batch, len(all))]
		all = all[len(some):]
		if err := os.WriteFile(file, archive(some), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, ok := ctr(t, socket, "images", "import", "--no-unpack", file); !ok {
			t.Fatalf("import: %s", out)
		}
		for _, s := range some {
			out, ok := ctr(t, socket, "images", "mount", "--snapshotter", "overlayfs", "--rw", "docker.io/library/"+s.name, root)
			if !ok {
				c.refuses(t, s, out)
				continue
			}
			c.shown(t, s, root)
			if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
				t.Fatalf("seed %d: unmount: %v", s.seed, err)
			}
			// The mount is a snapshot by the name of its place.
			if out, ok := ctr(t, socket, "snapshots", "--snapshotter", "overlayfs", "rm", root); !ok {
				t.Fatalf("seed %d: %s", s.seed, out)
			}
		}
	}
	c.print(t)
}
