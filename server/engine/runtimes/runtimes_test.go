package runtimes

import (
	"errors"
	"slices"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
)

func look(program string) (string, error) {
	switch program {
	case "crun", "/opt/kata":
		return map[string]string{"crun": "/usr/bin/crun", "/opt/kata": "/opt/kata"}[program], nil
	}
	return "", errors.New("not found")
}

func TestRuntimesAreThoseThatWereNamed(t *testing.T) {
	s, err := Find([]string{"crun", "vm=/opt/kata"}, "crun", look)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Runtime{{Name: Own}, {"crun", "/usr/bin/crun"}, {"vm", "/opt/kata"}}; !slices.Equal(s.All(), want) {
		t.Errorf("%v", s.All())
	}
	for asked, want := range map[string]string{"": "crun", "layerlab": "layerlab", "vm": "vm", "crun": "crun"} {
		if r, err := s.Choose(asked); err != nil || r.Name != want {
			t.Errorf("%q is %v, %v", asked, r, err)
		}
	}
	_, err = s.Choose("runc")
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != "unknown-runtime" || e.Error() != "unknown or invalid runtime name: runc" {
		t.Errorf("%v", err)
	}
	if r, err := (Set{}).Choose(""); err != nil || r.Name != Own {
		t.Errorf("without settings: %v, %v", r, err)
	}
}

func TestSettingsOfRuntimesThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		asked     []string
		byDefault string
	}{
		{[]string{"absent"}, ""},
		{[]string{"crun=/nowhere"}, ""},
		{[]string{"layerlab=/opt/kata"}, ""},
		{[]string{"=crun"}, ""},
		{[]string{"../x=crun"}, ""},
		{[]string{"crun", "crun=/opt/kata"}, ""},
		{nil, "crun"},
	} {
		var e *imagecore.Error
		if _, err := Find(c.asked, c.byDefault, look); !errors.As(err, &e) || e.Code != "bad-setting" {
			t.Errorf("%v, default %q: %v", c.asked, c.byDefault, err)
		}
	}
}
