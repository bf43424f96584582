package logging

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestWhatIsNotServedIsRefusedInDockersWords(t *testing.T) {
	for _, c := range []struct{ driver, option, want string }{
		{"nonsense", "", `error looking up logging plugin nonsense: plugin "nonsense" not found`},
		{"", "max-size=nonsense", "failed to initialize logging driver: invalid size: 'nonsense'"},
		{"", "max-size=0", "failed to initialize logging driver: max-size must be a positive number"},
		{"local", "max-file=0", "failed to initialize logging driver: max-file cannot be less than 1"},
		{"", "compress=true", "log opt compress=true is not served by layerlab"},
		{"", "compress=perhaps", `failed to initialize logging driver: strconv.ParseBool: parsing "perhaps": invalid syntax`},
		{"", "mode=nonsense", "logger: logging mode not supported: nonsense"},
		{"", "mode=non-blocking", "log opt mode=non-blocking is not served by layerlab"},
		{"", "max-buffer-size=1m", "logger: max-buffer-size option is only supported with 'mode=non-blocking'"},
		{"", "nonsense=1", "unknown log opt 'nonsense' for json-file log driver"},
		{"local", "nonsense=1", "unknown log opt 'nonsense' for local log driver"},
		{"", "tag={{.Nope}}", `failed to initialize logging driver: template: log-tag:1:2: executing "log-tag" at <.Nope>: map has no entry for key "Nope"`},
		{"", "tag={{range 99999999999}}x{{end}}", "failed to initialize logging driver: template: log-tag: range and template are not served by layerlab"},
		{"", `tag={{if .ID}}{{template "log-tag" .}}{{end}}`, "failed to initialize logging driver: template: log-tag: range and template are not served by layerlab"},
		{"", "env-regex=(", "failed to initialize logging driver: error parsing regexp: missing closing ): `(`"},
	} {
		options := map[string]string{}
		if key, value, ok := strings.Cut(c.option, "="); ok {
			options[key] = value
		}
		if _, err := Read(c.driver, options); err == nil || err.Error() != c.want {
			t.Errorf("%s %s: %v, want %s", c.driver, c.option, err, c.want)
		}
	}
}

func TestOptionsAreReadAndShownAgain(t *testing.T) {
	whole := map[string]string{"max-size": "1000", "max-file": "3", "labels": "a,b", "labels-regex": "^c", "env": "E", "env-regex": "^F", "tag": "{{.Name}}"}
	for _, driver := range []string{JSONFile, Local} {
		l, err := Read(driver, whole)
		if err != nil {
			t.Fatal(err)
		}
		back, options := Options(l)
		if d := cmp.Diff(whole, options); d != "" || back != driver {
			t.Errorf("%s, %s", back, d)
		}
	}
	if l, err := Read(None, map[string]string{"nonsense": "1"}); err != nil || l.Driver != None {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := Read(JSONFile, map[string]string{"mode": "blocking", "compress": "false"}); err != nil || l != nil {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestWhatThePageAsksForIsChecked(t *testing.T) {
	for _, l := range []*wire.LogLimits{nil, {}, {Driver: Local, MaxSize: 5}, {Driver: None}} {
		if err := Check(l); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for _, l := range []*wire.LogLimits{{Driver: "nonsense"}, {LabelsRegex: "("}, {Tag: "{{"}} {
		if Check(l) == nil {
			t.Errorf("%+v passes", l)
		}
	}
}

func TestLocalIsRotatedUnasked(t *testing.T) {
	if size, files := Rotation(&wire.LogLimits{Driver: Local}); size != 20_000_000 || files != 5 {
		t.Error(size, files)
	}
	if size, files := Rotation(nil); size != 0 || files != 0 {
		t.Error(size, files)
	}
}

func TestAttributesAreWhatWasAskedFor(t *testing.T) {
	about := About{
		ID: strings.Repeat("ab", 32), Name: "box", Image: "lab:1", ImageID: "sha256:" + strings.Repeat("cd", 32),
		Labels: map[string]string{"a": "1", "b": "2", "c1": "3"}, Env: []string{"E=4", "F1=5", "G=6"},
	}
	l, err := Read("", map[string]string{
		"labels": "a,missing", "labels-regex": "^c", "env": "E", "env-regex": "^F", "tag": "{{.ImageName}}/{{.Name}}/{{.ID}}/{{.ImageID}}",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Attributes(l, about)
	want := map[string]string{"a": "1", "c1": "3", "E": "4", "F1": "5", "tag": "lab:1/box/abababababab/cdcdcdcdcdcd"}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if got, err := Attributes(nil, about); got != nil || err != nil {
		t.Error(got, err)
	}
}
