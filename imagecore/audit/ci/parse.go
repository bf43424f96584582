//go:build !page

package ci

// The page's module has the default rules only, and no reader of YAML.

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spellings are the keys that files may have, those of dive's versions since
// 0.13 included.
func spellings(key string) string {
	switch key {
	case LowestEfficiency, "lowest-efficiency", "lowest-efficiency-threshold":
		return LowestEfficiency
	case HighestWastedBytes, "highest-wasted-bytes":
		return HighestWastedBytes
	case HighestUserWastedPercent, "highest-user-wasted-percent":
		return HighestUserWastedPercent
	}
	return ""
}

// Parse reads a file in the form of .dive-ci: the rules beneath "rules", or at
// the top as newer versions of dive have them, and "figures": both, dive or
// true. Rules that it does not name keep their defaults. A key beneath "rules"
// that names no rule is refused, since a rule misspelt would never fail; other
// keys at the top are dive's settings and are passed over.
func Parse(text []byte) (Config, error) {
	c := Default()
	var top map[string]yaml.Node
	if err := yaml.Unmarshal(text, &top); err != nil {
		return c, bad("the file of rules is no YAML: " + strings.ReplaceAll(err.Error(), "\n", " "))
	}
	found := false
	for key, node := range top {
		if name := spellings(key); name != "" {
			c.Rules[name], found = node.Value, true
		}
	}
	if node, ok := top["rules"]; ok {
		var rules map[string]yaml.Node
		if err := node.Decode(&rules); err != nil {
			return c, bad("rules: want names and thresholds")
		}
		for key, value := range rules {
			name := spellings(key)
			if name == "" {
				return c, bad("rules: " + strconv.Quote(key) + " is no rule; there are " + strings.Join(Names(), ", "))
			}
			c.Rules[name], found = value.Value, true
		}
	}
	if node, ok := top["figures"]; ok {
		c.By, found = By(node.Value), true
	}
	if !found {
		return c, bad("the file names no rule; there are " + strings.Join(Names(), ", ") + ", beneath \"rules:\"")
	}
	return c, c.Check()
}
