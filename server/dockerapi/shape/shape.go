// Package shape gives answers of the Docker Engine API the form that each version
// of it had: types are those of the newest one.
//
//	newest type → JSON → edits of each version up to the client's → JSON
package shape

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/api/types/volume"
)

// Version is the second number of an API version: 41 stands for 1.41.
type Version int

func (v Version) String() string { return "1." + strconv.Itoa(int(v)) }

// document is an answer as JSON has it.
type document = map[string]any

// shapes is the one table of what older versions had and newer types dropped,
// and of what they had not yet, after moby's history of the API
// (api/docs/CHANGELOG.md). A line counts for clients of Version until or older.
var shapes = []struct { //nolint:gochecknoglobals // a table that nobody changes
	of    func(v any) bool
	until Version
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

	{is[image.InspectResponse], 43, func(d document) {
		d["VirtualSize"] = d["Size"]
		set(d, "Created", "0001-01-01T00:00:00Z")
	}},
	{is[image.InspectResponse], 44, func(d document) { d["ContainerConfig"], d["Container"] = d["Config"], "" }},
	{is[image.InspectResponse], 49, func(d document) {
		within(d, "Config", func(c document) {
			setAll(c, "", "Hostname", "Domainname", "Image")
			setAll(c, false, "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce")
		})
	}},
	{is[image.InspectResponse], 51, func(d document) {
		setAll(d, "", "Parent", "Comment", "Author", "DockerVersion")
		within(d, "Config", func(c document) {
			setAll(c, nil, "Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes")
			setAll(c, "", "User", "WorkingDir")
		})
	}},

	{is[container.InspectResponse], 41, func(d document) {
		within(d, "HostConfig", func(h document) { setAll(h, 0, "KernelMemory", "KernelMemoryTCP") })
	}},
	{is[container.InspectResponse], 43, func(d document) {
		within(d, "Config", func(c document) { set(c, "MacAddress", "") })
	}},
	{is[container.InspectResponse], 44, func(d document) {
		id, _ := d["Id"].(string)
		places(d, func(name string, e document) {
			if name != "bridge" && len(id) >= 12 { // the default network has no names
				aliases, _ := e["Aliases"].([]any)
				e["Aliases"] = append(aliases, id[:12])
			}
		})
	}},
	{is[container.InspectResponse], 51, func(d document) {
		within(d, "Config", func(c document) { set(c, "OnBuild", nil) })
		within(d, "NetworkSettings", func(n document) {
			nets, _ := n["Networks"].(document)
			if bridge, ok := nets["bridge"].(document); ok { // as Docker copies it
				for _, key := range []string{
					"EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress",
				} {
					n[key] = bridge[key]
				}
			}
			setAll(n, "", "Bridge", "EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "LinkLocalIPv6Address", "MacAddress")
			setAll(n, 0, "GlobalIPv6PrefixLen", "IPPrefixLen", "LinkLocalIPv6PrefixLen")
			setAll(n, nil, "SecondaryIPAddresses", "SecondaryIPv6Addresses")
			set(n, "HairpinMode", false)
		})
	}},
	{either(is[container.InspectResponse], is[container.Summary]), 43, func(d document) {
		places(d, func(_ string, e document) { delete(e, "DNSNames") })
	}},
	{is[container.Summary], 51, func(d document) { delete(d, "Health") }},
	{either(is[container.InspectResponse], is[container.Summary]), 47, func(d document) {
		places(d, func(_ string, e document) { delete(e, "GwPriority") })
	}},

	{either(is[network.Summary], is[network.Inspect]), 24, func(d document) { delete(d, "Created") }},
	{either(is[network.Summary], is[network.Inspect]), 28, func(d document) { delete(d, "Ingress") }},
	{is[network.Summary], 51, func(d document) { d["Containers"] = document{} }},
	{either(is[network.Summary], is[network.Inspect]), 47, func(d document) { delete(d, "EnableIPv4") }},

	{is[volume.Volume], 24, func(d document) { delete(d, "Options") }},
	{is[volume.Volume], 30, func(d document) { delete(d, "CreatedAt") }},

	{is[system.VersionResponse], 24, func(d document) { delete(d, "MinAPIVersion") }},
	{is[system.VersionResponse], 34, func(d document) {
		delete(d, "Components")
		delete(d, "Platform")
	}},

	{is[system.Info], 23, func(d document) { delete(d, "SecurityOptions") }},
	{is[system.Info], 24, func(d document) {
		d["ExecutionDriver"] = "<not supported>"
		delete(d, "Isolation")
		list, ok := d["SecurityOptions"].([]any)
		for i, one := range list { // "name=seccomp,profile=builtin"
			text, _ := one.(string)
			name, _, _ := strings.Cut(strings.TrimPrefix(text, "name="), ",")
			list[i] = name
		}
		if ok {
			d["SecurityOptions"] = list
		}
	}},
	{is[system.Info], 38, func(d document) { delete(d, "Warnings") }},
	{is[system.Info], 39, func(d document) { delete(d, "PidsLimit") }},
	{is[system.Info], 40, func(d document) { delete(d, "CgroupVersion") }},
	{is[system.Info], 41, func(d document) { setAll(d, false, "KernelMemory", "KernelMemoryTCP") }},
	{is[system.Info], 43, func(d document) {
		delete(d, "CDISpecDirs")
		within(d, "Runtimes", func(all document) {
			for name := range all {
				within(all, name, func(r document) { delete(r, "status") })
			}
		})
	}},
	{is[system.Info], 48, func(d document) {
		for _, name := range []string{"ContainerdCommit", "RuncCommit", "InitCommit"} {
			within(d, name, func(c document) { c["Expected"] = c["ID"] })
		}
		within(d, "RegistryConfig", func(r document) {
			setAll(r, []string{}, "AllowNondistributableArtifactsCIDRs", "AllowNondistributableArtifactsHostnames")
		})
	}},
	{is[system.Info], 49, func(d document) { setAll(d, false, "BridgeNfIptables", "BridgeNfIp6tables") }},
}

func is[T any](v any) bool {
	if _, ok := v.(T); ok {
		return true
	}
	_, ok := v.(*T)
	return ok
}

func either(a, b func(any) bool) func(any) bool { return func(v any) bool { return a(v) || b(v) } }

func set(d document, key string, v any) {
	if _, there := d[key]; !there {
		d[key] = v
	}
}

func setAll(d document, v any, keys ...string) {
	for _, key := range keys {
		set(d, key, v)
	}
}

// within edits a part of a document, where there is one.
func within(d document, key string, edit func(document)) {
	if part, ok := d[key].(document); ok {
		edit(part)
	}
}

// places edits a container's place in each network.
func places(d document, edit func(name string, e document)) {
	within(d, "NetworkSettings", func(n document) {
		within(n, "Networks", func(all document) {
			for name := range all {
				within(all, name, func(e document) { edit(name, e) })
			}
		})
	})
}

// Answer marshals an answer, or the elements of a list, for a version.
func Answer(of Version, v any) ([]byte, error) {
	switch list := v.(type) {
	case []image.Summary:
		return All(of, list)
	case []container.Summary:
		return All(of, list)
	case []network.Summary:
		return All(of, list)
	case []network.Inspect:
		return All(of, list)
	case []volume.Volume:
		return All(of, list)
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
			exact := json.NewDecoder(bytes.NewReader(raw))
			exact.UseNumber()
			if err := exact.Decode(&d); err != nil {
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

// All marshals the elements of a list, each in its form for a version.
func All[T any](of Version, list []T) (json.RawMessage, error) {
	out := make([]json.RawMessage, len(list))
	for i := range list {
		var err error
		if out[i], err = Answer(of, list[i]); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}
