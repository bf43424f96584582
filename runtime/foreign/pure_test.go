package foreign

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

func TestCommandLinesOfEachRuntime(t *testing.T) {
	for program, global := range map[string]string{
		"/usr/bin/runc":        "",
		"/usr/bin/youki":       "",
		"/usr/bin/crun":        "--cgroup-manager=disabled ",
		"/usr/local/bin/runsc": "--ignore-cgroups --overlay2=none --file-access=shared ",
	} {
		r := Runtime{Name: "x", Path: program, Root: "/run/l/1.rt"}
		want := program + " " + global + "--root /run/l/1.rt/state --log /run/l/1.rt/log --log-format json create --bundle /run/l/1.rt c1"
		if got := strings.Join(r.arguments("create", "--bundle", r.Root, "c1"), " "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestTheStageHidesNothingThatIsNeeded(t *testing.T) {
	all := func(string) bool { return true }
	for _, c := range []struct {
		needed []string
		exists func(string) bool
		want   string
	}{
		{[]string{"/run/layerlab/1.rt", "/usr/bin/crun"}, all, "/mnt"},
		{[]string{"/mnt/data/run/1.rt"}, all, "/media"},
		{[]string{"/mntx/run"}, all, "/mnt"},
		{[]string{"/mnt"}, func(p string) bool { return p == "/tmp" || p == "/mnt" }, "/tmp"},
		{[]string{"/tmp/x"}, func(p string) bool { return p == "/tmp" }, ""},
	} {
		if got := stageAt(c.needed, c.exists); got != c.want {
			t.Errorf("%v: %q, want %q", c.needed, got, c.want)
		}
	}
}

// What the runtime gets differs from what the server wrote in where root and
// binds are, and in nothing that keeps a container in.
func TestTheRuntimeGetsTheServersConfig(t *testing.T) {
	spec := &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs", Readonly: true},
		Process: &specs.Process{NoNewPrivileges: true, Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}}},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/v", Type: "bind", Source: "/data/volumes/v", Options: []string{"rbind", "ro"}},
		},
		Linux: &specs.Linux{
			UIDMappings: []specs.LinuxIDMapping{{HostID: 1000000, Size: 65536}}, MaskedPaths: []string{"/proc/kcore"},
			Seccomp: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno},
		},
	}
	got := onStage(spec, "/mnt", true, []int{1})
	if got.Root.Path != "/mnt/rootfs" || !got.Root.Readonly || got.Mounts[1].Source != "/mnt/1" || got.Version != "1.0.2" {
		t.Errorf("%+v %+v", got.Root, got.Mounts)
	}
	if !slices.Equal(got.Mounts[1].Options, spec.Mounts[1].Options) || got.Linux != spec.Linux || got.Process != spec.Process {
		t.Error("more than paths was changed")
	}
	if spec.Root.Path != "rootfs" || spec.Mounts[1].Source != "/data/volumes/v" {
		t.Error("the server's own was changed")
	}
}

func TestWordsOfRuntimesBecomeOurs(t *testing.T) {
	r := Runtime{Name: "crun"}
	for _, c := range []struct{ log, command, code string }{
		{`{"msg":"executable file ` + "`absent`" + ` not found in $PATH: No such file or directory","level":"error"}`, "absent", "command-not-found"},
		{`{"level":"error","msg":"runc create failed: unable to start container process: exec: \"/bin/absent\": stat /bin/absent: no such file or directory"}`, "/bin/absent", "command-not-found"},
		{`{"level":"error","msg":"runc create failed: unable to start container process: exec: \"absent\": executable file not found in $PATH"}`, "absent", "command-not-found"},
		{`{"msg":"open executable: Permission denied","level":"error"}`, "/etc/passwd", "command-not-executable"},
		{`{"level":"error","msg":"exec failed: unable to start container process: exec: \"/etc\": is a directory"}`, "/etc", "command-not-executable"},
		{`{"level":"warning","msg":"nothing"}` + "\n" + `{"level":"error","msg":"mount proc: operation not permitted"}` + "\n", "sh", CodeFailed},
		{`{"level":"error","msg":"open /sys/fs/cgroup/x: no such file or directory"}`, "sh", CodeFailed},
	} {
		var e *fault.Error
		if err := r.failed("create", lastError(c.log), c.command); !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s\n%v", c.log, err)
		}
	}
}
