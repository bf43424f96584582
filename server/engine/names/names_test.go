package names_test

import (
	"strings"
	"testing"

	"github.com/layerlab/layerlab/server/engine/names"
)

func TestPickReturnsValidNamesAndLeavesTakenOnes(t *testing.T) {
	zero := func(int) int { return 0 }
	first := names.Pick(zero, func(string) bool { return false })
	if !names.Valid(first) || strings.Count(first, "_") != 1 {
		t.Fatalf("name %q", first)
	}
	taken := map[string]bool{first: true}
	second := names.Pick(zero, func(s string) bool { return taken[s] })
	if second == first || !names.Valid(second) {
		t.Fatalf("second name %q after %q", second, first)
	}
}

func TestValid(t *testing.T) {
	for name, want := range map[string]bool{
		"web": true, "Web.1_a-b": true, "": false, "-x": false, "a/b": false, "a b": false,
		strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
	} {
		if names.Valid(name) != want {
			t.Errorf("Valid(%q) = %v", name, !want)
		}
	}
}
