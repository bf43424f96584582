//go:build linux

package dockerapi

import (
	"encoding/json"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
)

// document is an answer as JSON has it.
type document = map[string]any

// shapes is the one table of what older versions had and newer types dropped.
// A line counts for clients of version until or older.
var shapes = []struct { //nolint:gochecknoglobals // a table that nobody changes
	of    func(v any) bool
	until version
	edit  func(d document)
}{
	{is[image.Summary], 43, func(d document) { d["VirtualSize"] = d["Size"] }},
	{is[image.Summary], 42, func(d document) {
		if tags, _ := d["RepoTags"].([]any); len(tags) == 0 {
			d["RepoTags"] = []string{"<none>:<none>"}
		}
		if list, _ := d["RepoDigests"].([]any); len(list) == 0 {
			d["RepoDigests"] = []string{"<none>@<none>"}
		}
	}},
	{is[image.InspectResponse], 43, func(d document) { d["VirtualSize"] = d["Size"] }},
	{is[image.InspectResponse], 44, func(d document) { d["ContainerConfig"], d["Container"] = d["Config"], "" }},
	{is[image.InspectResponse], 51, func(d document) {
		set(d, "Parent", "")
		set(d, "Comment", "")
		set(d, "Author", "")
		d["DockerVersion"] = ""
	}},
	{is[container.InspectResponse], 51, func(d document) {
		if n, ok := d["NetworkSettings"].(document); ok {
			for _, key := range []string{
				"Bridge", "EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway",
				"LinkLocalIPv6Address", "MacAddress",
			} {
				set(n, key, "")
			}
			for _, key := range []string{"GlobalIPv6PrefixLen", "IPPrefixLen", "LinkLocalIPv6PrefixLen"} {
				set(n, key, 0)
			}
			set(n, "HairpinMode", false)
			set(n, "SecondaryIPAddresses", nil)
			set(n, "SecondaryIPv6Addresses", nil)
		}
	}},
	{is[container.InspectResponse], 43, func(d document) {
		if c, ok := d["Config"].(document); ok {
			set(c, "MacAddress", "")
		}
	}},
}

func is[T any](v any) bool {
	if _, ok := v.(T); ok {
		return true
	}
	_, ok := v.(*T)
	return ok
}

func set(d document, key string, v any) {
	if _, there := d[key]; !there {
		d[key] = v
	}
}

// shape marshals an answer, or the elements of a list, for a version.
func shape(of version, v any) ([]byte, error) {
	if list, ok := v.([]image.Summary); ok {
		out := make([]json.RawMessage, len(list))
		for i := range list {
			var err error
			if out[i], err = shape(of, list[i]); err != nil {
				return nil, err
			}
		}
		return json.Marshal(out)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var d document
	for _, s := range shapes {
		if of > s.until || !s.of(v) {
			continue
		}
		if d == nil {
			if err := json.Unmarshal(raw, &d); err != nil {
				return nil, err
			}
		}
		s.edit(d)
	}
	if d == nil {
		return raw, nil
	}
	return json.Marshal(d)
}
