//go:build linux

package reach_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine/reach"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	got := ""
	if e := (*imagecore.Error)(nil); errors.As(err, &e) {
		got = e.Code
	}
	if got != code || code == "" && err != nil {
		t.Errorf("%s: %v, want code %q", what, err, code)
	}
}

func TestSourcesAreJudgedByWhatTheyAre(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"top/data/volumes", "run", "free/sub", "allowed/in"} {
		if err := os.MkdirAll(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"free/link": at("top/data"), "free/run": "../run", "allowed/out": at("free"), "allowed/here": "in", "free/magic": "/proc/self/root",
	} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("run/d.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := reach.Policy{Never: []string{at("top/data"), at("run"), at("never-made")}, Bind: []string{at("allowed")}}
	for _, c := range []struct {
		source     string
		page, make bool
		code       string
	}{
		{at("free"), false, false, ""},
		{at("free/sub/../sub"), false, false, ""},
		{at("top/data"), false, false, "source-kept"},
		{at("top/data/volumes"), false, false, "source-kept"},
		{at("top"), false, false, "source-kept"},
		{"/", false, false, "source-kept"},
		{at("free/link"), false, false, "source-kept"},
		{at("free/link/volumes"), false, false, "source-kept"},
		{at("free/run/d.sock"), false, false, "source-kept"},
		{at("run/d.sock"), false, false, "source-kept"},
		{at("free/magic/etc"), false, false, "bad-source"},
		{at("absent"), false, false, "source-missing"},
		{at("made/by/us"), false, true, ""},
		{at("free/link/new/one"), false, true, "source-kept"},
		{"relative", false, true, "bad-source"},
		{at("free"), true, false, "not-allowed"},
		{at("allowed"), true, false, ""},
		{at("allowed/in"), true, false, ""},
		{at("allowed/here"), true, false, ""},
		{at("allowed/out"), true, false, "bad-source"},
		{at("allowed/../free"), true, false, "not-allowed"},
		{at("allowed/new"), true, true, "source-missing"}, // the page makes nothing on the host
	} {
		f, err := p.Open(c.source, c.page, c.make)
		wantCode(t, c.source, err, c.code)
		if err == nil {
			f.Close()
		}
	}
	if _, err := os.Stat(at("top/data/new")); err == nil {
		t.Error("a folder was made in the data folder")
	}
}

// TestAnotherMountOfTheDataFolderIsKeptToo reaches DATA by a path that has
// nothing of its name.
func TestAnotherMountOfTheDataFolderIsKeptToo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a bind mount")
	}
	dir := t.TempDir()
	data, other := filepath.Join(dir, "data"), filepath.Join(dir, "other")
	for _, name := range []string{filepath.Join(data, "in"), other} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount(data, other, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(other, unix.MNT_DETACH) })
	p := reach.Policy{Never: []string{data}}
	for _, source := range []string{other, filepath.Join(other, "in")} {
		_, err := p.Open(source, false, false)
		wantCode(t, source, err, "source-kept")
	}
}

func TestOneJudgementForPageAndSocket(t *testing.T) {
	ask := func(s wire.Security, mounts ...wire.MountSpec) *wire.CreateContainer {
		return &wire.CreateContainer{Security: &s, Mounts: mounts}
	}
	bind := wire.MountSpec{Type: wire.MountBind, Source: "/srv/x", Target: "/x"}
	open := reach.Policy{Devices: []string{"/dev/fuse"}, Unconfined: true, Bind: []string{"/srv"}}
	for _, c := range []struct {
		what   string
		policy reach.Policy
		req    *wire.CreateContainer
		page   bool
		code   string
	}{
		{"nothing asked", reach.Policy{}, &wire.CreateContainer{}, true, ""},
		{"unconfined", reach.Policy{}, ask(wire.Security{Seccomp: "unconfined"}), false, "not-allowed"},
		{"unconfined allowed", open, ask(wire.Security{Seccomp: "unconfined"}), false, ""},
		{"unmasked", reach.Policy{}, ask(wire.Security{Unmasked: true}), false, "not-allowed"},
		{"device", reach.Policy{}, ask(wire.Security{Devices: []wire.Device{{Path: "/dev/fuse"}}}), false, "not-allowed"},
		{"device allowed", open, ask(wire.Security{Devices: []wire.Device{{Path: "/dev/fuse"}}}), true, ""},
		{"another device", open, ask(wire.Security{Devices: []wire.Device{{Path: "/dev/sda"}}}), false, "not-allowed"},
		{"bind by socket", reach.Policy{}, ask(wire.Security{}, bind), false, ""},
		{"bind by page", reach.Policy{}, ask(wire.Security{}, bind), true, "not-allowed"},
		{"bind by page allowed", open, ask(wire.Security{}, bind), true, ""},
		{"privileged is within the user namespace", reach.Policy{}, ask(wire.Security{Privileged: true}), false, ""},
	} {
		wantCode(t, c.what, c.policy.Judge(c.req, c.page), c.code)
	}
}
