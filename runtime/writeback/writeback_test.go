//go:build linux

package writeback

import (
	"os"
	"testing"
)

func TestTheDiskIsAskedForMuchAtATime(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	a := From(3 * mib)
	for _, step := range []struct{ upTo, asked int64 }{
		{3*mib + 1, 3 * mib},
		{11*mib - 1, 3 * mib},
		{11 * mib, 11 * mib},
		{12 * mib, 11 * mib},
		{40 * mib, 40 * mib},
	} {
		a.Wrote(int(f.Fd()), step.upTo)
		if a.asked != step.asked {
			t.Errorf("after %d bytes the disk was asked up to %d, want %d", step.upTo, a.asked, step.asked)
		}
	}
	// A descriptor that cannot is no error: the sync tells.
	a.Wrote(-1, 60*mib)
}
