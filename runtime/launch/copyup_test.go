//go:build linux

package launch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/cgroup"
)

func TestTmpfsBeginsWithWhatTheImageHas(t *testing.T) {
	needRoot(t)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dest := range []string{"/etc", "/link", "/absent"} {
		root := rootfs(t)
		for _, d := range []string{"etc/deep"} {
			if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(root, "etc/deep/file"), []byte("of the image"), 0o640); err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]string{"link": "/etc", "etc/out": outside} {
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		filepath.Walk(root, func(p string, _ os.FileInfo, _ error) error { return os.Lchown(p, base, base) })
		s := serverSpec(t, root, "inside:facts", dest+"/deep/file", dest+"/out")
		s.Mounts = append(s.Mounts, specs.Mount{Destination: dest, Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup", "nodev", "size=64k"}})
		var f facts
		out := runSpec(t, s).out
		if err := json.Unmarshal([]byte(out), &f); err != nil {
			t.Fatalf("%s: %v: %q", dest, err, out)
		}
		got, link := f.Files[dest+"/deep/file"], f.Files[dest+"/out"]
		if has := strings.HasPrefix(got, "of the image"); has != (dest != "/absent") {
			t.Errorf("%s/deep/file: %s", dest, got)
		}
		if strings.Contains(link, "of the host") {
			t.Errorf("%s: a link of the image was followed out of it", dest)
		}
	}
}

func TestNoExecIntoAPausedContainer(t *testing.T) {
	needRoot(t)
	s := serverSpec(t, rootfs(t))
	g, err := cgroup.Create("/layerlab-test/paused-"+filepath.Base(filepath.Dir(t.TempDir())), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Remove()
	p, end := waiting(t, s)
	defer end()
	p.cgroup = g
	if err := g.Freeze(); err != nil {
		t.Fatal(err)
	}
	_, err = Exec(context.Background(), p, s.Process, ExecConfig{Stdio: [3]int{-1, -1, -1}})
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != "processes-frozen" {
		t.Errorf("exec into a paused container: %v", err)
	}
	if err := g.Thaw(); err != nil {
		t.Fatal(err)
	}
	x := *s.Process
	x.Args = []string{"/bin/probe", "inside:true"}
	if _, ws := execOut(t, p, &x); ws.ExitStatus() != 0 {
		t.Errorf("exec after resuming: %v", ws)
	}
}
