package e2e_test

import (
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestOtherRuntimes runs a container's whole life through the docker command
// line by each other OCI runtime that is installed.
func TestOtherRuntimes(t *testing.T) {
	for _, name := range []string{"runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("%v (Debian package %s)", err, name)
			}
			p := params("testdata/runtimes")
			setup := p.Setup
			p.Setup = func(env *testscript.Env) error {
				env.Setenv("RUNTIME", name)
				env.Setenv("RUNTIME_PATH", path)
				return setup(env)
			}
			testscript.Run(t, p)
		})
	}
}
