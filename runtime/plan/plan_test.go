package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/plan/words"
)

var update = flag.Bool("update", false, "rewrite the plans in testdata")

// given are the options of a case, as JSON.
type given struct {
	Options
	Files []string       // bind sources that are no folders
	Exec  *specs.Process // plan an exec of this
}

func text(p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "clone(%s)\n", p.Clone)
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "\n%s %s: %s\n", s.Where, s.Code, s.Words)
		for _, c := range s.Calls {
			fmt.Fprintf(&b, "    %s\n", c)
		}
	}
	return b.String()
}

// TestPlans compares whole plans: each file of testdata holds a config, what is
// known of the host, and the plan.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var s specs.Spec
			var g given
			want := ""
			for _, x := range a.Files {
				switch x.Name {
				case "config.json":
					err = json.Unmarshal(x.Data, &s)
				case "host.json":
					err = json.Unmarshal(x.Data, &g)
				case "plan":
					want = string(x.Data)
				}
				if err != nil {
					t.Fatal(x.Name, err)
				}
			}
			g.IsFile = func(p string) bool {
				for _, f := range g.Files {
					if f == p {
						return true
					}
				}
				return false
			}
			var p *Plan
			if g.Exec != nil {
				p, err = ForExec(g.Exec, &s, g.Options)
			} else {
				p, err = For(&s, g.Options)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := text(p)
			if *update {
				for i := range a.Files {
					if a.Files[i].Name == "plan" {
						a.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("the plan differs (go test -update ./runtime/plan rewrites it):\n%s", firstDifference(got, want))
			}
			soundness(t, p)
			raw, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var back Plan
			if err := json.Unmarshal(raw, &back); err != nil || text(back.Describe()) != got {
				t.Errorf("the plan does not come back from JSON: %v", err)
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			old := "nothing"
			if i < len(w) {
				old = w[i]
			}
			return fmt.Sprintf("line %d: %s\nwant: %s", i+1, g[i], old)
		}
	}
	return "lines are missing at the end"
}

// soundness holds for every plan: what a call refers to was made before, jumps
// stay in their step, and each step can be explained.
func soundness(t *testing.T, p *Plan) {
	t.Helper()
	known := map[string]bool{"go": true, "report": true, "start": true, "stdin": true, "stdout": true, "stderr": true, "pid": true, "proc-pid": true, "rootfs": true, "target": true, "target-root": true, "devpts": true}
	for _, s := range p.Steps {
		if s.Words == "" || s.Reason == "" || s.Man == "" || s.Without == "" || s.Call == "" {
			t.Errorf("step %s is not explained", s.Code)
		}
		if strings.ContainsAny(s.Words+s.Reason+s.Without, "{}") {
			t.Errorf("step %s lacks an argument: %q %q %q", s.Code, s.Words, s.Reason, s.Without)
		}
		for i, c := range s.Calls {
			for _, a := range c.Args {
				if a.Kind == KindRef && !known[a.Text] {
					t.Errorf("step %s: %s: nothing before is called $%s", s.Code, c, a.Text)
				}
			}
			for _, o := range c.On {
				if i+o.Skip >= len(s.Calls) {
					t.Errorf("step %s: %s leaves the step", s.Code, c)
				}
			}
			if c.Out != "" {
				known[c.Out] = true
			}
		}
	}
}

// TestEveryCodeIsPlannedAndExplained finds codes that the sources plan and the
// table lacks, and the other way round.
func TestEveryCodeIsPlannedAndExplained(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var planned []string
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:b\.step\(\w+, |code = |code := |code, b\.proc = )"([a-z-]+)"`).FindAllStringSubmatch(string(src), -1) {
			planned = append(planned, m[1])
		}
	}
	slices.Sort(planned)
	planned = slices.Compact(planned)
	if known := words.Codes(); !slices.Equal(planned, known) {
		t.Errorf("planned: %q\nexplained: %q", planned, known)
	}
}

func TestRefusals(t *testing.T) {
	base := func() *specs.Spec {
		return &specs.Spec{
			Process: &specs.Process{Args: []string{"sh"}, Cwd: "/"}, Root: &specs.Root{Path: "/r"},
			Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
		}
	}
	for name, c := range map[string]struct {
		change func(s *specs.Spec)
		code   string
	}{
		"no process":   {func(s *specs.Spec) { s.Process = nil }, "invalid-config"},
		"no command":   {func(s *specs.Spec) { s.Process.Args = nil }, "invalid-config"},
		"relative cwd": {func(s *specs.Spec) { s.Process.Cwd = "x" }, "invalid-config"},
		"zero byte":    {func(s *specs.Spec) { s.Process.Env = []string{"A=\x00"} }, "invalid-config"},
		"no root":      {func(s *specs.Spec) { s.Root = nil }, "invalid-config"},
		"no mounts":    {func(s *specs.Spec) { s.Linux.Namespaces, s.Root.Readonly = nil, true }, "unsupported-setting"},
		"namespace": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "space"})
		}, "unsupported-setting"},
		"twice": {func(s *specs.Spec) { s.Linux.Namespaces = append(s.Linux.Namespaces, s.Linux.Namespaces[0]) }, "invalid-config"},
		"user without maps": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		}, "invalid-config"},
		"apparmor":         {func(s *specs.Spec) { s.Process.ApparmorProfile = "docker-default" }, "unsupported-setting"},
		"selinux":          {func(s *specs.Spec) { s.Process.SelinuxLabel = "x" }, "unsupported-setting"},
		"host sysctl":      {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.panic": "1"} }, "invalid-config"},
		"sysctl of others": {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} }, "invalid-config"},
		"sysctl escape":    {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net/../../x": "1"} }, "invalid-config"},
		"capability":       {func(s *specs.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_X"}} }, "invalid-config"},
		"mount option": {func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/x", Type: "tmpfs", Options: []string{"idmap"}}}
		}, "invalid-config"},
		"relative mount": {func(s *specs.Spec) { s.Mounts = []specs.Mount{{Destination: "x", Type: "tmpfs"}} }, "invalid-config"},
		"idmapped mount": {func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/x", Type: "bind", Source: "/y", UIDMappings: []specs.LinuxIDMapping{{Size: 1}}}}
		}, "invalid-config"},
		"scheduler": {func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagUtilClampMin}}
		}, "unsupported-setting"},
		"affinity":      {func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{} }, "unsupported-setting"},
		"time offsets":  {func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {}} }, "invalid-config"},
		"memory policy": {func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{} }, "unsupported-setting"},
		"net devices":   {func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}} }, "unsupported-setting"},
		"remount": {func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/x", Type: "bind", Options: []string{"remount"}}}
		}, "unsupported-setting"},
		"username":    {func(s *specs.Spec) { s.Process.User.Username = "ann" }, "unsupported-setting"},
		"windows":     {func(s *specs.Spec) { s.Windows = &specs.Windows{} }, "unsupported-setting"},
		"vm":          {func(s *specs.Spec) { s.VM = &specs.VM{} }, "unsupported-setting"},
		"notify":      {func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActNotify} }, "invalid-config"},
		"rdt":         {func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} }, "unsupported-setting"},
		"device":      {func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "?"}} }, "invalid-config"},
		"propagation": {func(s *specs.Spec) { s.Linux.RootfsPropagation = "sideways" }, "invalid-config"},
	} {
		s := base()
		c.change(s)
		_, err := For(s, Options{})
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := For(base(), Options{}); err != nil {
		t.Errorf("the base itself: %v", err)
	}
}

func TestMountpoints(t *testing.T) {
	s := &specs.Spec{
		Process: &specs.Process{Cwd: "/srv/dir"},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc"},
			{Destination: "/dev", Type: "tmpfs"},
			{Destination: "/dev/pts", Type: "devpts"},
			{Destination: "/etc/hosts", Type: "bind", Source: "/h"},
			{Destination: "/data", Source: "/d", Options: []string{"rbind"}},
		},
	}
	got := fmt.Sprint(Mountpoints(s, func(p string) bool { return p == "/h" }))
	if want := "[{/proc true} {/dev true} {/etc/hosts false} {/data true} {/srv/dir true}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
