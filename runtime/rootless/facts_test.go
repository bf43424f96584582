//go:build linux

package rootless

import (
	"slices"
	"strings"
	"testing"
)

func fit() Facts {
	return Facts{
		User: "joe", UID: 1000, UIDs: Range{100000, Size}, GIDs: Range{100000, Size},
		Tools:   map[string]string{newuidmap: "", newgidmap: "", nsenter: ""},
		Sysctls: map[string]string{clone: "1", most: "31000"},
	}
}

func TestNothingIsMissingWhereAllIsThere(t *testing.T) {
	if got := Findings(fit()); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestEachMissingThingIsNamedWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		change func(*Facts)
		code   string
		words  string
	}{
		{func(f *Facts) { f.Tools[newuidmap] = Absent }, "rootless-no-tool", "the program newuidmap is missing: install the package uidmap"},
		{func(f *Facts) { f.Tools[newgidmap] = Unprivileged }, "rootless-no-tool", "newgidmap is neither setuid root nor has file capabilities: install the package uidmap again"},
		{func(f *Facts) { f.Tools[nsenter] = Absent }, "rootless-no-tool", "install the package util-linux"},
		{func(f *Facts) { f.UIDs = Range{} }, "rootless-no-ids", "/etc/subuid grants joe 0 ids, containers need 65536: add the line joe:100000:65536"},
		{func(f *Facts) { f.GIDs.Count = 1000 }, "rootless-no-ids", "/etc/subgid grants joe 1000 ids"},
		{func(f *Facts) { f.Sysctls[clone] = "0" }, "rootless-no-userns", "sysctl kernel.unprivileged_userns_clone is 0: have it set to 1"},
		{func(f *Facts) { f.Sysctls[most] = "0" }, "rootless-no-userns", "sysctl user.max_user_namespaces is 0"},
		{func(f *Facts) { f.Sysctls[apparmor] = "1" }, "rootless-no-userns", "sysctl kernel.apparmor_restrict_unprivileged_userns is 1: have it set to 0, or"},
	} {
		f := fit()
		c.change(&f)
		got := Findings(f)
		if len(got) != 1 || got[0].Code != c.code || !strings.Contains(got[0].Error(), c.words) {
			t.Errorf("%s: %v", c.words, got)
		}
	}
}

func TestTheLargestGrantIsTaken(t *testing.T) {
	text := []byte("# none\njoe:100000:1000\nann:1:9\n1000:200000:65536\njoe:x:70000\nbroken\n")
	if got := largest(text, []string{"1000", "joe"}); got != (Range{200000, Size}) {
		t.Errorf("%v", got)
	}
	if got := largest(text, []string{"bob"}); got != (Range{}) {
		t.Errorf("%v", got)
	}
}

func TestTheOwnIDIsRootAndTheGrantFollows(t *testing.T) {
	if got := mapping(7, 1000, Range{300000, 2 * Size}); !slices.Equal(got, []string{"7", "0", "1000", "1", "1", "300000", "65536"}) {
		t.Errorf("%v", got)
	}
}
