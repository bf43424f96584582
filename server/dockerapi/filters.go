//go:build linux

package dockerapi

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filters is a filter parameter: name → values, of which one must hold.
type filters map[string][]string

// filters reads {"name":["value"]} or, from old clients, {"name":{"value":true}}.
// A name that is not known is an error, so that nobody believes it was applied.
func (c *call) filters(known ...string) (filters, error) {
	f := filters{}
	text := c.query("filters")
	if text == "" {
		return f, nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, invalid("invalid filters: %v", err)
	}
	for name, values := range raw {
		if !slices.Contains(known, name) {
			return nil, invalid("invalid filter '%s'", name)
		}
		var list []string
		var set map[string]bool
		if json.Unmarshal(values, &list) != nil {
			if err := json.Unmarshal(values, &set); err != nil {
				return nil, invalid("invalid filter '%s': %v", name, err)
			}
			for v, on := range set {
				if on {
					list = append(list, v)
				}
			}
			slices.Sort(list)
		}
		f[name] = list
	}
	return f, nil
}

func (f filters) has(name string) bool { return len(f[name]) > 0 }

// any reports whether the filter is absent or one of its values holds.
func (f filters) any(name string, holds func(value string) bool) bool {
	return !f.has(name) || slices.ContainsFunc(f[name], holds)
}

// matches is any for values that are patterns, as Docker takes names and ids for
// them: one of the texts must match. What is no pattern matches nothing.
func (f filters) matches(name string, texts ...string) bool {
	return f.any(name, func(value string) bool {
		pattern, err := regexp.Compile(value)
		return err == nil && slices.ContainsFunc(texts, pattern.MatchString)
	})
}

// truth reads a filter such as dangling=true; nil where it is absent.
func (f filters) truth(name string) (*bool, error) {
	if !f.has(name) {
		return nil, nil
	}
	switch f[name][0] {
	case "1", "true":
		return new(true), nil
	case "0", "false":
		return new(false), nil
	}
	return nil, invalid("invalid filter '%s=%v'", name, f[name])
}

// labels reports whether all label filters hold, and none of label!.
func (f filters) labels(have map[string]string) bool {
	holds := func(want string) bool {
		key, value, valued := strings.Cut(want, "=")
		got, there := have[key]
		return there && (!valued || got == value)
	}
	for _, want := range f["label"] {
		if !holds(want) {
			return false
		}
	}
	return !slices.ContainsFunc(f["label!"], holds)
}

// matchRef reports whether a pattern such as "my*/app:1" means a name.
func matchRef(pattern, ref string) bool {
	name, _, _ := strings.Cut(ref[strings.LastIndexByte(ref, '/')+1:], ":")
	name = ref[:strings.LastIndexByte(ref, '/')+1] + name
	for _, text := range []string{ref, name} {
		if ok, _ := path.Match(pattern, text); ok {
			return true
		}
	}
	return false
}

// moment reads a time as clients send it: seconds since 1970 with a fraction,
// a duration back from now, or RFC 3339, of which the zone (now's) and the end
// may be left out. "" and "0" are the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "0" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if s, err := strconv.ParseInt(whole, 10, 64); err == nil {
		nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err != nil {
			return time.Time{}, invalid("invalid time %q", text)
		}
		return time.Unix(s, nanos), nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15Z07:00", "2006-01-02Z07:00"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	for _, form := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("invalid time %q: write seconds since 1970, a duration or RFC 3339", text)
}
