//go:build linux

package procfs

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestParseProcFiles(t *testing.T) {
	maps := parseIDMap([]byte("         0 1879048192      65536\n"))
	if diff := cmp.Diff([]wire.IDMap{{Container: 0, Host: 1879048192, Count: 65536}}, maps); diff != "" {
		t.Error(diff)
	}
	mounts := parseMounts([]byte("36 35 98:0 /mnt1 /with\\040space rw,noatime master:1 - ext3 /dev/root rw,errors=continue\nbroken\n"))
	want := []wire.Mount{{Target: "/with space", Type: "ext3", Source: "/dev/root", Options: "rw,noatime,rw,errors=continue"}}
	if diff := cmp.Diff(want, mounts); diff != "" {
		t.Error(diff)
	}
	var f wire.Facts
	parseStatus([]byte("Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n"), &f)
	if len(f.Capabilities["effective"]) != 14 || len(f.Capabilities["inheritable"]) != 0 || !f.NoNewPrivs || f.Seccomp != "filter" || f.SeccompFilter != 3 {
		t.Errorf("%+v", f)
	}
	groups := parseCgroups([]byte("9:pids:/layerlab/x\n4:cpu,cpuacct:/c\n0::/u\n"))
	if groups["pids"] != "/layerlab/x" || groups["cpuacct"] != "/c" || groups[""] != "/u" {
		t.Errorf("%v", groups)
	}
}

func TestParseProcess(t *testing.T) {
	status := "Name:\ttwo words\nUmask:\t0022\nUid:\t1966080\t1966080\t1966080\t1966080\nNSpid:\t4242\t7\t1\n"
	if p := parseProcess(4242, []byte(status)); p != (wire.Process{Host: 4242, Inside: 1, User: 1966080, Name: "two words"}) {
		t.Errorf("%+v", p)
	}
	if p := parseProcess(7, []byte("Name:\tinit\nUid:\t0\t0\t0\t0\nNSpid:\t7\n")); p != (wire.Process{Host: 7, Name: "init"}) {
		t.Errorf("%+v", p)
	}
	me := os.Getpid()
	if list := Processes("/proc", []int{1 << 30, me}); len(list) != 1 || list[0].Host != me || int(list[0].User) != os.Getuid() {
		t.Errorf("%+v", list)
	}
}

// TestFactsOfThisProcess reads what the kernel says of the test itself.
func TestFactsOfThisProcess(t *testing.T) {
	f, err := Facts("/proc", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Namespaces) != 7 || len(f.Mounts) == 0 || len(f.UIDMap) == 0 || f.Seccomp == "" {
		t.Errorf("%+v", f)
	}
	if slices.ContainsFunc(f.Namespaces, func(n wire.Namespace) bool { return n.Own }) {
		t.Errorf("a namespace of its own? %+v", f.Namespaces)
	}
	if _, err := Facts("/proc", 1<<30); err == nil {
		t.Error("no error for a process that is not there")
	}
}
