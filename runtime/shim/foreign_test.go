//go:build linux

package shim_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/foreign"
)

const otherRuntimes = "TestOtherRuntimes/"

// TestOtherRuntimes runs the tests of a container's life with each other runtime
// that is installed: they are the suite that a backend passes.
func TestOtherRuntimes(t *testing.T) {
	t.Parallel() // with those that wait for a shim to look around
	suite := []struct {
		name string
		test func(*testing.T)
	}{
		{"terminal", TestATerminalFromStartToAcknowledgedExit},
		{"pipes", TestPipesKeepStreamsApart},
		{"no input", TestWithoutInputAProgramSeesItsEnd},
		{"missing command", TestAMissingCommandFailsBeforeTheStartAndLeavesNothing},
		{"signals", TestSignalsReachTheProcess},
		{"killed before the start", TestKilledBeforeTheStart},
		{"pause", TestAPauseStopsTheProgramAndAKillEndsIt},
		{"exec", TestExecHasATerminalOfItsOwnAndItsOwnExit},
		{"execs end", TestExecsEndWithTheContainer},
		{"server killed", TestTheShimSurvivesAServerThatIsKilled},
		{"exit kept", TestAnExitWhileNobodyIsThereIsKept},
		{"shim killed", TestAKilledShimIsNoticed},
		{"held exec", TestAHeldExecKeepsAllOfItsOutputForTheFirstViewer},
		{"no trace", noTrace},
	}
	for _, name := range []string{"runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for its own processes most of the time
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("%v (Debian package %s)", err, name)
			}
			for _, s := range suite {
				t.Run(s.name, s.test)
			}
		})
	}
}

func noTrace(t *testing.T) {
	b := run(t, config(false, "/bin/sleep", "100"))
	_, _, err := b.client.Trace(t.Context())
	if e, ok := err.(*fault.Error); !ok || e.Code != "no-trace" {
		t.Errorf("%v", err)
	}
}

// otherRuntime is the runtime that a subtest of TestOtherRuntimes is about; nil
// for all other tests.
func otherRuntime(t testing.TB, dir string) *foreign.Runtime {
	rest, is := strings.CutPrefix(t.Name(), otherRuntimes)
	if !is {
		return nil
	}
	name, _, _ := strings.Cut(rest, "/")
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return &foreign.Runtime{Name: name, Path: path, Root: filepath.Join(dir, "rt")}
}
