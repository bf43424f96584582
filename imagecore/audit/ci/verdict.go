package ci

import (
	"fmt"
	"math"
	"strings"

	"github.com/layerlab/layerlab/imagecore/audit"
)

// Figures are what the rules are about.
type Figures struct {
	Efficiency  float64 `json:"efficiency"` // 0 to 1
	WastedBytes int64   `json:"wastedBytes"`
	// UserWastedPercent is a ratio in spite of its name, which is dive's. It
	// is left out where nothing was added to the base and so nothing is its part.
	UserWastedPercent *float64 `json:"userWastedPercent,omitempty"`
	Bytes             int64    `json:"bytes"`     // of all layers
	UserBytes         int64    `json:"userBytes"` // of all but the base
}

// Measured is an image's figures by either way to count.
type Measured struct {
	Dive Figures
	True Figures
}

// Measure puts the figures of an image together.
func Measure(dive audit.Figures, r *audit.Report) Measured {
	m := Measured{Dive: Figures{
		Efficiency: dive.Efficiency, WastedBytes: dive.WastedBytes, Bytes: dive.Bytes, UserBytes: dive.UserBytes,
		UserWastedPercent: part(dive.WastedBytes, dive.UserBytes),
	}}
	m.True = Figures{Efficiency: 1, WastedBytes: r.Wasted, Bytes: r.Bytes}
	if r.Bytes > 0 {
		m.True.Efficiency = float64(r.Bytes-r.Wasted) / float64(r.Bytes)
	}
	for _, l := range r.Layers {
		if l.Layer > 0 {
			m.True.UserBytes += l.Bytes
		}
	}
	m.True.UserWastedPercent = part(r.Wasted, m.True.UserBytes)
	return m
}

func part(wasted, user int64) *float64 {
	if user == 0 {
		return nil
	}
	f := float64(wasted) / float64(user)
	return &f
}

// Status of a rule.
type Status string

const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip" // switched off
)

// Result is one rule's.
type Result struct {
	Rule      string `json:"rule"`
	Status    Status `json:"status"`
	Threshold string `json:"threshold"` // as written
	// Dive and True are the two figures; absent where there is none.
	Dive    *float64 `json:"dive,omitempty"`
	True    *float64 `json:"true,omitempty"`
	Message string   `json:"message"`
}

// Verdict is the answer to all rules.
type Verdict struct {
	Pass    bool
	Results []Result // in the order of Names
}

// Evaluate judges an image. The error is Check's.
func (c Config) Evaluate(m Measured) (Verdict, error) {
	v := Verdict{Pass: true}
	if err := c.Check(); err != nil {
		return v, err
	}
	for _, name := range Names() {
		limit, off, err := threshold(name, c.Rules[name])
		if err != nil {
			return v, err
		}
		r := Result{Rule: name, Status: Pass, Threshold: strings.TrimSpace(c.Rules[name]), Dive: figure(name, m.Dive), True: figure(name, m.True)}
		if off {
			r.Status, r.Threshold, r.Message = Skip, "disabled", "disabled"
			v.Results = append(v.Results, r)
			continue
		}
		byDive := c.By != True && breaks(name, limit, m.Dive)
		byTruth := c.By != Dive && breaks(name, limit, m.True)
		r.Message = message(name, r, c.By, byDive, byTruth)
		if byDive || byTruth {
			r.Status, v.Pass = Fail, false
		}
		v.Results = append(v.Results, r)
	}
	return v, nil
}

func figure(name string, f Figures) *float64 {
	switch name {
	case LowestEfficiency:
		return &f.Efficiency
	case HighestWastedBytes:
		n := float64(f.WastedBytes)
		return &n
	}
	return f.UserWastedPercent
}

// breaks compares as dive does: a figure that meets the threshold passes.
func breaks(name string, limit float64, f Figures) bool {
	switch name {
	case LowestEfficiency:
		return f.Efficiency < limit
	case HighestWastedBytes:
		return float64(f.WastedBytes) > limit
	}
	if f.UserWastedPercent == nil {
		return f.WastedBytes > 0 // waste, and nothing that it could be a part of
	}
	return *f.UserWastedPercent > limit
}

func message(name string, r Result, by By, byDive, byTruth bool) string {
	var parts []string
	if by != True {
		parts = append(parts, "by dive "+show(name, r.Dive)+broken(byDive))
	}
	if by != Dive {
		parts = append(parts, "in truth "+show(name, r.True)+broken(byTruth))
	}
	bound := "at least "
	if name != LowestEfficiency {
		bound = "at most "
	}
	return bound + r.Threshold + ": " + strings.Join(parts, ", ")
}

func broken(yes bool) string {
	if yes {
		return " (broken)"
	}
	return ""
}

func show(name string, f *float64) string {
	switch {
	case f == nil:
		return "no figure"
	case name == HighestWastedBytes:
		return fmt.Sprintf("%.0f bytes", *f)
	}
	// Cut, not rounded: 0.8999 must not look like 0.9.
	return fmt.Sprintf("%.4f", math.Trunc(*f*10000)/10000)
}
