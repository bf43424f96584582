package ci

import (
	"math"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Names of the rules, as dive has them.
const (
	LowestEfficiency         = "lowestEfficiency"         // ratio, 0 to 1
	HighestWastedBytes       = "highestWastedBytes"       // a size: 20MB, 1GiB, 4096
	HighestUserWastedPercent = "highestUserWastedPercent" // ratio, 0 to 1, whatever its name says
)

// Names are the rules in the order of reports.
func Names() []string {
	return []string{LowestEfficiency, HighestWastedBytes, HighestUserWastedPercent}
}

// By says whose figures judge a rule.
type By string

const (
	Both By = "both" // broken if dive's figure or the true one breaks it
	Dive By = "dive" // as dive would judge
	True By = "true" // what is wasted in truth
)

// Config is a set of rules: thresholds by name, as written. "disabled", "off",
// "false" and "" switch a rule off.
type Config struct {
	Rules map[string]string
	By    By
}

// Default is what dive goes by without a file.
func Default() Config {
	return Config{By: Both, Rules: map[string]string{
		LowestEfficiency: "0.9", HighestWastedBytes: "disabled", HighestUserWastedPercent: "0.1",
	}}
}

// Check says what is wrong with the thresholds.
func (c Config) Check() error {
	for _, name := range Names() {
		if _, _, err := threshold(name, c.Rules[name]); err != nil {
			return err
		}
	}
	if c.By != Both && c.By != Dive && c.By != True {
		return bad("figures: want both, dive or true, not " + strconv.Quote(string(c.By)))
	}
	return nil
}

func bad(message string) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-rules", message)
}

// threshold reads one; off says that the rule is switched off.
func threshold(name, text string) (limit float64, off bool, err error) {
	text = strings.ToLower(strings.TrimSpace(text))
	switch text {
	case "", "disabled", "off", "false":
		return 0, true, nil
	}
	if name == HighestWastedBytes {
		n, err := ParseBytes(text)
		if err != nil {
			return 0, false, bad("rules: " + name + ": " + err.Error())
		}
		return float64(n), false, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1 {
		return 0, false, bad("rules: " + name + ": want a ratio from 0 to 1, not " + strconv.Quote(text))
	}
	return f, false, nil
}

// ParseBytes reads a size the way dive does: kB, MB, GB, TB, PB, EB are powers
// of 1000, also without their B; KiB and so on powers of 1024; case and blanks
// before the unit do not matter, commas may part thousands.
func ParseBytes(text string) (int64, error) {
	wrong := bad(strconv.Quote(text) + " is no size such as 20MB, 1.5GiB or 4096")
	t := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), ",", ""))
	i := strings.IndexFunc(t, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i < 0 {
		i = len(t)
	}
	f, err := strconv.ParseFloat(t[:i], 64)
	if err != nil {
		return 0, wrong
	}
	unit := strings.TrimSuffix(strings.TrimSpace(t[i:]), "b")
	base := 1000.0
	if rest, ok := strings.CutSuffix(unit, "i"); ok && rest != "" {
		unit, base = rest, 1024
	}
	power := 0
	if unit != "" {
		power = strings.Index("kmgtpe", unit) + 1
		if len(unit) != 1 || power == 0 {
			return 0, wrong
		}
	}
	if f *= math.Pow(base, float64(power)); f >= math.MaxInt64 {
		return 0, wrong
	}
	return int64(f), nil
}
