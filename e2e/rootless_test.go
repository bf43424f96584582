package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAnOrdinaryUsersServer runs a server as an ordinary user, from what is
// missing for that to a container's whole life.
func TestAnOrdinaryUsersServer(t *testing.T) {
	if !canDocker() {
		t.Skip("needs root, to make the user, and the docker command line")
	}
	for tool, pack := range map[string]string{"newuidmap": "uidmap", "newgidmap": "uidmap", "setpriv": "util-linux", "unshare": "util-linux", "ps": "procps"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v (Debian package %s)", err, pack)
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/unprivileged_userns_clone"); err == nil && b[0] == '0' {
		t.Skip("sysctl kernel.unprivileged_userns_clone is 0")
	}
	if b, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil && b[0] == '1' {
		t.Skip("sysctl kernel.apparmor_restrict_unprivileged_userns is 1")
	}
	samples := t.TempDir()
	if out, err := exec.Command(filepath.Join(bin, "layerlab-sample"), "-userland", filepath.Join(bin, "layerlab-userland"), "-o", samples).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script, err := filepath.Abs("testdata/rootless/life.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-m", "sh", script, bin, filepath.Join(samples, "sample.tar"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
