// Package policy decides which of the settings that a client of the Docker
// Engine API sends are honoured. One that is set to other than the command
// line's default and not served is refused by name, never ignored: a container
// that seems to have a limit, a mount or a port and has not is worse than none.
//
//	container.Config, HostConfig, NetworkingConfig → Check → nil or *Refusal
package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// Refusal names the setting that is not served.
type Refusal struct {
	Field string // "HostConfig.Memory"
	Value string // as sent
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s=%s is not served by layerlab yet: leave it at its default", r.Field, r.Value)
}

// verdict is what becomes of a field.
type verdict struct {
	honoured bool  // whatever its value
	defaults []any // values, beside the zero value, that ask for what happens anyway
}

// Check returns the first setting, by name, that is not served.
func Check(config *container.Config, host *container.HostConfig, nets *network.NetworkingConfig) error {
	var found []*Refusal
	if config != nil {
		found = append(found, walk("Config", reflect.ValueOf(*config), configFields())...)
	}
	if host != nil {
		found = append(found, walk("HostConfig", reflect.ValueOf(*host), allHostFields())...)
	}
	if nets != nil {
		for name, e := range nets.EndpointsConfig {
			if err, ok := errors.AsType[*Refusal](CheckEndpoint(name, e)); ok {
				found = append(found, err)
			}
		}
	}
	return first(found)
}

// CheckDropped is Check for what newer types have no field for, and older command
// lines send. raw is a request to create a container, or, with the prefix "", to
// update one.
func CheckDropped(prefix string, raw []byte) error {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil // whoever reads the rest says so
	}
	if prefix != "" {
		host := all[prefix]
		if all = nil; json.Unmarshal(host, &all) != nil {
			return nil
		}
	}
	for _, name := range []string{"KernelMemory", "KernelMemoryTCP"} {
		var n int64
		if json.Unmarshal(all[name], &n) == nil && n != 0 {
			return &Refusal{"HostConfig." + name, strconv.FormatInt(n, 10)}
		}
	}
	return nil
}

func allHostFields() map[string]verdict {
	all := hostFields()
	maps.Copy(all, networkHostFields())
	return all
}

// first returns the first by name.
func first(found []*Refusal) error {
	if len(found) == 0 {
		return nil
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Field < found[j].Field })
	return found[0]
}

// walk looks at every field of a struct; those of embedded ones as its own.
func walk(prefix string, v reflect.Value, fields map[string]verdict) (found []*Refusal) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		if f.Anonymous && value.Kind() == reflect.Struct {
			found = append(found, walk(prefix, value, fields)...)
			continue
		}
		rule := fields[f.Name]
		if rule.honoured || unset(value) || slices.ContainsFunc(rule.defaults, func(d any) bool { return same(value, d) }) {
			continue
		}
		found = append(found, &Refusal{Field: prefix + "." + f.Name, Value: text(value)})
	}
	return found
}

// unset reports whether a value is what a client sends that was not asked for
// anything: zero, empty, or a pointer to that.
func unset(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || unset(v.Elem())
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for i := range v.NumField() {
			if !unset(v.Field(i)) {
				return false
			}
		}
		return true
	}
	return v.IsZero()
}

func same(v reflect.Value, want any) bool {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface()) == fmt.Sprint(want)
}

func text(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return strings.TrimSpace(fmt.Sprintf("%+v", v.Interface()))
}
