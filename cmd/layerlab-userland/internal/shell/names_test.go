//go:build linux

package shell_test

import (
	"slices"
	"testing"

	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/applet"
	"github.com/layerlab/layerlab/cmd/layerlab-userland/names"
)

func TestNamesAreThoseOfTheTable(t *testing.T) {
	have := append(applet.Names(), "sh")
	slices.Sort(have)
	if want := names.All(); !slices.Equal(have, want) {
		t.Errorf("the table has %q, package names %q", have, want)
	}
}
