package bundle_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/engine/bundle"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// files is a root file system of small files.
type files map[string]string

func (f files) ReadFile(path string) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var (
	etc = files{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n# a comment\nada:x:1000:1001::/home/ada:/bin/sh\n1234:x:7:8::/odd:\nbig:x:70000:0:::\n",
		"/etc/group":  "root:x:0:\nada:x:1001:\nwheel:x:10:root,ada\nbroken\nvideo:x:44:ada\n",
	}
	host = bundle.Host{
		Folder: "/data/containers/" + id, Cgroup: "/layerlab/" + id, IDs: 1_879_048_192,
		Seccomp: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno},
	}
)

func TestSpecGolden(t *testing.T) {
	teaching := host
	teaching.Teaching = true
	cases := map[string]struct {
		image v1.ImageConfig
		req   bundle.Request
		host  bundle.Host
	}{
		"defaults": {
			image: v1.ImageConfig{Cmd: []string{"/bin/sh"}, Env: []string{"LANG=C.UTF-8"}},
			host:  host,
		},
		"everything-asked-for": {
			image: v1.ImageConfig{
				Entrypoint: []string{"/entry"}, Cmd: []string{"a"}, User: "root", WorkingDir: "app",
				Env: []string{"PATH=/image/bin", "KEPT=1", "GONE=1", "SAID=image"},
			},
			req: bundle.Request{
				Command: []string{"b", "c"}, Env: []string{"SAID=request", "GONE", "TERM=xterm-256color"}, WorkingDir: "/srv/../work",
				User: "ada", Hostname: "lab", TTY: true, Cols: 120, Rows: 40,
			},
			host: host,
		},
		"teaching": {
			image: v1.ImageConfig{Cmd: []string{"/bin/sh"}},
			req:   bundle.Request{TTY: true},
			host:  teaching,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.req.ID = id
			spec, err := bundle.Spec(c.image, c.req, c.host, etc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(spec, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestEverySpecIsHardened reads the promises out of the specs, whatever was
// asked for: the golden files could be rewritten without a thought.
func TestEverySpecIsHardened(t *testing.T) {
	for _, teaching := range []bool{false, true} {
		for _, user := range []string{"", "ada", "1234:wheel"} {
			h := host
			h.Teaching = teaching
			s, err := bundle.Spec(v1.ImageConfig{Cmd: []string{"x"}}, bundle.Request{ID: id, User: user, TTY: teaching}, h, etc)
			if err != nil {
				t.Fatal(err)
			}
			own := map[specs.LinuxNamespaceType]bool{}
			for _, ns := range s.Linux.Namespaces {
				own[ns.Type] = ns.Path == ""
			}
			for _, kind := range []specs.LinuxNamespaceType{"user", "mount", "pid", "network", "uts", "ipc", "cgroup"} {
				if !own[kind] {
					t.Errorf("no %s namespace of its own", kind)
				}
			}
			caps := s.Process.Capabilities
			if len(caps.Inheritable) != 0 || len(caps.Ambient) != 0 {
				t.Error("inheritable or ambient capabilities (CVE-2022-24769)")
			}
			effective := bundle.Capabilities()
			if user != "" {
				effective = []string{} // as after an execve of an ordinary user
			}
			if !cmp.Equal(caps.Bounding, bundle.Capabilities()) || !cmp.Equal(caps.Effective, effective) || !cmp.Equal(caps.Permitted, effective) {
				t.Errorf("capabilities %+v", caps)
			}
			for _, m := range s.Linux.UIDMappings {
				if m.HostID < 65536 || m.Size != 65536 {
					t.Errorf("mapping %+v reaches ids of the host", m)
				}
			}
			if s.Linux.Seccomp == nil || s.Linux.Resources.Pids == nil || *s.Linux.Resources.Pids.Limit <= 0 {
				t.Error("no seccomp filter or no limit of processes")
			}
			if teaching != s.Process.NoNewPrivileges || teaching != (s.Linux.Resources.Memory != nil) {
				t.Errorf("teaching %v: no_new_privs %v", teaching, s.Process.NoNewPrivileges)
			}
			for _, want := range []string{"/proc/kcore", "/proc/keys", "/sys/firmware"} {
				if !strings.Contains(strings.Join(s.Linux.MaskedPaths, " "), want) {
					t.Errorf("%s is not masked", want)
				}
			}
			if !strings.Contains(strings.Join(s.Linux.ReadonlyPaths, " "), "/proc/sys ") {
				t.Error("/proc/sys is writable")
			}
		}
	}
}

func TestUserLookUp(t *testing.T) {
	cases := []struct {
		spec     string
		uid, gid uint32
		more     []uint32
		home     string
		code     string
	}{
		{spec: "", uid: 0, gid: 0, more: []uint32{0, 10}, home: "/root"},
		{spec: "ada", uid: 1000, gid: 1001, more: []uint32{1001, 10, 44}, home: "/home/ada"},
		{spec: "1000", uid: 1000, gid: 1001, more: []uint32{1001, 10, 44}, home: "/home/ada"},
		{spec: "ada:video", uid: 1000, gid: 44, more: []uint32{44}, home: "/home/ada"},
		{spec: "ada:5", uid: 1000, gid: 5, more: []uint32{5}, home: "/home/ada"},
		{spec: "4321", uid: 4321, gid: 0, more: []uint32{0}, home: "/"},
		{spec: "4321:4321", uid: 4321, gid: 4321, more: []uint32{4321}, home: "/"},
		{spec: "1234", uid: 7, gid: 8, more: []uint32{8}, home: "/odd"}, // a name of digits is a name
		{spec: "nobody", code: "user-not-found"},
		{spec: "ada:nogroup", code: "group-not-found"},
		{spec: "65536", code: "id-out-of-range"},
		{spec: "4294967296", code: "id-out-of-range"},
		{spec: "big", code: "id-out-of-range"},
		{spec: "ada:65536", code: "id-out-of-range"},
	}
	for _, c := range cases {
		t.Run(c.spec, func(t *testing.T) {
			u, err := bundle.LookUp(c.spec, etc)
			if c.code != "" {
				wantCode(t, err, c.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if u.UID != c.uid || u.GID != c.gid || u.Home != c.home || !cmp.Equal(u.AdditionalGids, c.more) {
				t.Errorf("got %+v home %s", u.User, u.Home)
			}
		})
	}
	u, err := bundle.LookUp("", files{})
	if err != nil || u.UID != 0 || u.Home != "/" {
		t.Errorf("image without passwd: %+v, %v", u, err)
	}
}

func TestEntrypointAndCommandMerge(t *testing.T) {
	image := v1.ImageConfig{Entrypoint: []string{"/entry"}, Cmd: []string{"one", "two"}}
	cases := []struct {
		entrypoint, command, want []string
		code                      string
	}{
		{want: []string{"/entry", "one", "two"}},
		{command: []string{"x"}, want: []string{"/entry", "x"}},
		{entrypoint: []string{"/other"}, want: []string{"/other"}},
		{entrypoint: []string{"/other"}, command: []string{"x"}, want: []string{"/other", "x"}},
		{entrypoint: []string{""}, command: []string{"x"}, want: []string{"x"}},
		{entrypoint: []string{""}, code: "no-command"},
		{entrypoint: []string{"/a\x00b"}, code: "bad-argument"},
	}
	for _, c := range cases {
		got, err := bundle.Args(image, c.entrypoint, c.command)
		if c.code != "" {
			wantCode(t, err, c.code)
			continue
		}
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%q %q: got %q, %v; want %q", c.entrypoint, c.command, got, err, c.want)
		}
	}
	if len(image.Cmd) != 2 || image.Entrypoint[0] != "/entry" {
		t.Error("the image's config was changed")
	}
}

func TestSpecRefusals(t *testing.T) {
	image := v1.ImageConfig{Cmd: []string{"x"}}
	for code, req := range map[string]bundle.Request{
		"bad-working-dir": {WorkingDir: "relative"},
		"bad-hostname":    {Hostname: "a b"},
		"bad-env":         {Env: []string{"=x"}},
		"user-not-found":  {User: "eve"},
	} {
		req.ID = id
		_, err := bundle.Spec(image, req, host, etc)
		wantCode(t, err, code)
	}
	_, err := bundle.Spec(v1.ImageConfig{}, bundle.Request{ID: id}, host, etc)
	wantCode(t, err, "no-command")
}

func TestExecTakesOverTheContainer(t *testing.T) {
	spec, err := bundle.Spec(v1.ImageConfig{Cmd: []string{"x"}, Env: []string{"A=1"}, WorkingDir: "/w"},
		bundle.Request{ID: id, User: "ada"}, host, etc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := bundle.Process(spec, bundle.Exec{Command: []string{"sh"}, Env: []string{"B=2"}, TTY: true, Cols: 80, Rows: 24}, etc)
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(p.Env, " ")
	if p.Cwd != "/w" || p.User.UID != 1000 || !p.Terminal || p.ConsoleSize.Width != 80 {
		t.Errorf("process %+v", p)
	}
	for _, want := range []string{"A=1", "B=2", "HOME=/home/ada", "TERM=xterm"} {
		if !strings.Contains(env, want) {
			t.Errorf("environment %s lacks %s", env, want)
		}
	}
	p, err = bundle.Process(spec, bundle.Exec{Command: []string{"id"}, User: "0:0"}, etc)
	if err != nil || p.User.UID != 0 || !strings.Contains(strings.Join(p.Env, " "), "HOME=/root") {
		t.Errorf("as root: %+v, %v", p, err)
	}
	_, err = bundle.Process(spec, bundle.Exec{}, etc)
	wantCode(t, err, "no-command")
	_, err = bundle.Process(spec, bundle.Exec{Command: []string{""}}, etc)
	wantCode(t, err, "no-command")
	_, err = bundle.Process(spec, bundle.Exec{Command: []string{"sh", "a\x00b"}}, etc)
	wantCode(t, err, "bad-argument")
}

func TestExecAsAnotherUserKeepsAHomeThatWasChosen(t *testing.T) {
	for name, c := range map[string]struct {
		image, request, exec []string
		want                 string
	}{
		"nobody chose":           {want: "HOME=/home/ada"},
		"the image chose":        {image: []string{"HOME=/data"}, want: "HOME=/data"},
		"the image chose root's": {image: []string{"HOME=/root"}, want: "HOME=/root"},
		"the request chose":      {request: []string{"HOME=/data"}, want: "HOME=/data"},
		"the exec chose":         {exec: []string{"HOME=/data"}, want: "HOME=/data"},
	} {
		spec, err := bundle.Spec(v1.ImageConfig{Cmd: []string{"x"}, Env: c.image}, bundle.Request{ID: id, Env: c.request}, host, etc)
		if err != nil {
			t.Fatal(name, err)
		}
		p, err := bundle.Process(spec, bundle.Exec{Command: []string{"sh"}, Env: c.exec, User: "ada"}, etc)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := slices.DeleteFunc(p.Env, func(e string) bool { return !strings.HasPrefix(e, "HOME=") }); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}
