package e2e_test

import "testing"

// TestASignalRightAfterTheStartReachesTheCommand: a first process that is not
// ready for it would end with a code of its own.
func TestASignalRightAfterTheStartReachesTheCommand(t *testing.T) {
	c := lab(t)
	c.load()
	for range 20 {
		id := c.started(`"Cmd":["sleep","1000"],"HostConfig":{"Init":true,"NetworkMode":"none"}`)
		if status, text := c.post("/containers/"+id+"/stop?t=5", nil); status != 204 {
			t.Fatalf("stop: %d %s", status, text)
		}
		if got := c.truth(id); got.ExitCode != 143 {
			t.Fatalf("stopped, it is %+v, want exit code 143", got)
		}
	}
}
