package ci_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/ci"
)

func TestParse(t *testing.T) {
	rules := func(e, b, u string) map[string]string {
		return map[string]string{ci.LowestEfficiency: e, ci.HighestWastedBytes: b, ci.HighestUserWastedPercent: u}
	}
	for _, c := range []struct {
		name, text string
		want       ci.Config
		wrong      string
	}{
		{"dive's own example", "rules:\n  # a comment\n  lowestEfficiency: 0.95\n  highestWastedBytes: 20MB\n  highestUserWastedPercent: 0.20\n", ci.Config{Rules: rules("0.95", "20MB", "0.20"), By: ci.Both}, ""},
		{"what is not named keeps its default", "rules:\n  highestWastedBytes: 1GiB\n", ci.Config{Rules: rules("0.9", "1GiB", "0.1"), By: ci.Both}, ""},
		{"switched off", "rules:\n  lowestEfficiency: disabled\n  highestWastedBytes: off\n  highestUserWastedPercent: false\n", ci.Config{Rules: rules("disabled", "off", "false"), By: ci.Both}, ""},
		{"newer keys at the top", "ci: true\nlowest-efficiency-threshold: 0.5\nhighest-user-wasted-percent: 0\n", ci.Config{Rules: rules("0.5", "disabled", "0"), By: ci.Both}, ""},
		{"one way to count", "figures: dive\nrules: {lowestEfficiency: 1}\n", ci.Config{Rules: rules("1", "disabled", "0.1"), By: ci.Dive}, ""},
		{"misspelt", "rules:\n  lowestEficiency: 0.95\n", ci.Config{}, `"lowestEficiency" is no rule`},
		{"percent for a ratio", "rules:\n  lowestEfficiency: 95\n", ci.Config{}, "ratio from 0 to 1"},
		{"no size", "rules:\n  highestWastedBytes: lots\n", ci.Config{}, "is no size"},
		{"no rules", "rule:\n  lowestEfficiency: 0.95\n", ci.Config{}, "names no rule"},
		{"empty", "", ci.Config{}, "names no rule"},
		{"no YAML", "rules: [", ci.Config{}, "no YAML"},
		{"a list", "rules: [1]", ci.Config{}, "names and thresholds"},
		{"unknown figures", "figures: mine\n", ci.Config{}, "both, dive or true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ci.Parse([]byte(c.text))
			if c.wrong != "" {
				if !errors.Is(err, imagecore.ErrInvalid) || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("got %v, want %q", err, c.wrong)
				}
				return
			}
			if d := cmp.Diff(c.want, got); err != nil || d != "" {
				t.Errorf("%v %s", err, d)
			}
		})
	}
}

func TestParseBytesHasDivesUnits(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "4096": 4096, "20MB": 20_000_000, "20mb": 20_000_000, "20 MB": 20_000_000, "20m": 20_000_000,
		"1.5GiB": 3 << 29, "1gi": 1 << 30, "1kB": 1000, "1KiB": 1024, "1,000": 1000, "7B": 7, "2TB": 2e12, "1PiB": 1 << 50,
	} {
		if got, err := ci.ParseBytes(in); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MB", "-1", "1XB", "1.2.3", "1 i", "9EB9", "99999EB", "1ki b i"} {
		if got, err := ci.ParseBytes(in); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", in, got)
		}
	}
}

// measured is an image of which dive sees less than there is.
func measured(diveWasted, trueWasted int64) ci.Measured {
	return ci.Measure(
		audit.Figures{Efficiency: 1 - float64(diveWasted)/1000, Bytes: 1000, UserBytes: 500, WastedBytes: diveWasted},
		&audit.Report{Bytes: 1000, Wasted: trueWasted, Layers: []audit.LayerSum{{Layer: 0, Bytes: 500}, {Layer: 1, Bytes: 500}}},
	)
}

func statuses(t *testing.T, c ci.Config, m ci.Measured) string {
	t.Helper()
	v, err := c.Evaluate(m)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	fails := false
	for _, r := range v.Results {
		out = append(out, string(r.Status))
		fails = fails || r.Status == ci.Fail
	}
	if v.Pass == fails {
		t.Errorf("the verdict is %v: %+v", v.Pass, v.Results)
	}
	return strings.Join(out, " ")
}

func TestEvaluate(t *testing.T) {
	c := ci.Default()
	c.Rules[ci.HighestWastedBytes] = "100"
	for _, x := range []struct {
		name string
		by   ci.By
		m    ci.Measured
		want string
	}{
		{"clean", ci.Both, measured(0, 0), "pass pass pass"},
		{"thresholds that are just met pass", ci.Both, measured(50, 50), "pass pass pass"},
		{"bytes that are just met", ci.Both, measured(100, 100), "pass pass fail"},
		{"all broken", ci.Both, measured(101, 101), "fail fail fail"},
		{"dive overlooks it", ci.Both, measured(0, 400), "fail fail fail"},
		{"dive overlooks it and alone is asked", ci.Dive, measured(0, 400), "pass pass pass"},
		{"dive exaggerates", ci.Both, measured(400, 0), "fail fail fail"},
		{"dive exaggerates and is not asked", ci.True, measured(400, 0), "pass pass pass"},
		{"waste on top of nothing", ci.True, ci.Measure(audit.Figures{}, &audit.Report{Bytes: 1000, Wasted: 1, Layers: []audit.LayerSum{{Bytes: 1000}}}), "pass pass fail"},
		{"an empty image", ci.Both, ci.Measure(audit.Figures{Efficiency: 1}, &audit.Report{}), "pass pass pass"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c.By = x.by
			if got := statuses(t, c, x.m); got != x.want {
				t.Errorf("got %s, want %s", got, x.want)
			}
		})
	}
	off := ci.Config{By: ci.Both, Rules: map[string]string{ci.LowestEfficiency: "OFF", ci.HighestWastedBytes: " Disabled ", ci.HighestUserWastedPercent: ""}}
	if got := statuses(t, off, measured(999, 999)); got != "skip skip skip" {
		t.Errorf("got %s", got)
	}
}

func TestMessageNamesBothFigures(t *testing.T) {
	c := ci.Default()
	c.Rules[ci.HighestWastedBytes] = "100"
	v, err := c.Evaluate(measured(0, 400))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.Results[1].Message, "at most 100: by dive 0 bytes, in truth 400 bytes (broken)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJUnit(t *testing.T) {
	v, err := ci.Default().Evaluate(measured(0, 400))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := v.JUnit(&b, `a"<image>`, "detail"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Class   string    `xml:"classname,attr"`
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
	if got.Tests != 3 || got.Failures != 2 || got.Skipped != 1 || len(got.Cases) != 3 {
		t.Fatalf("%+v\n%s", got, &b)
	}
	if c := got.Cases[0]; c.Class != `a"<image>` || c.Name != ci.LowestEfficiency || c.Failure == nil || c.Skipped != nil {
		t.Errorf("%+v", c)
	}
}

// FuzzParse holds that whatever a file says, reading it ends in a set of
// thresholds that can be evaluated, or in an error of kind ErrInvalid.
func FuzzParse(f *testing.F) {
	f.Add([]byte("rules:\n  lowestEfficiency: 0.95\n  highestWastedBytes: 20MB\n"))
	f.Add([]byte("figures: true\nhighest-wasted-bytes: 1e9\n"))
	f.Add([]byte("rules: &a\n  lowestEfficiency: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ci.Parse(text)
		if err != nil {
			if !errors.Is(err, imagecore.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			return
		}
		if _, err := c.Evaluate(measured(1, 2)); err != nil {
			t.Errorf("read, but not to be evaluated: %v", err)
		}
	})
}
