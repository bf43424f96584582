//go:build linux && compare

package compare

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named are the parts of an answer whose keys are names: of networks, labels,
// ports, runtimes and the like.
var named = regexp.MustCompile(`\.(Networks|Labels|Ports|Runtimes|Containers|ExposedPorts|Options|Data|Sysctls|Attributes|Details|Config\.Volumes|GenericResources|Plugins)\.[^ ]+$`)

// keys lists the paths of all keys of an answer; those of a list's elements
// stand together.
func keys(v any, at string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			path := at + "." + k
			if named.MatchString(path) {
				path = at + ".*"
			}
			into[path] = true
			keys(inner, path, into)
		}
	case []any:
		for _, inner := range v {
			keys(inner, at+"[]", into)
		}
	}
}

// absent are keys of dockerd 20.10's answers that ours have not, each with the
// reason.
var absent = map[string]string{
	"/images/lab:1/json.GraphDriver.Data.*": "where layers lie is the server's own",
	"/version.BuildTime":                    "the version itself names the commit",
	"/version.GitCommit":                    "as above",
	"/networks[].Options.*":                 "options of a bridge in the host's network, which ours is not",
	"/containers/box/changes[].Kind":        "points of mounts are made below the container's layer: it has written nothing",
	"/containers/box/changes[].Path":        "as above",
}

// TestAnswersHaveDockersKeys asks both engines for the same things at several
// versions: every key of Docker's answer is in ours, but for those that came
// with a later version, which dockerd tells older clients, too.
func TestAnswersHaveDockersKeys(t *testing.T) {
	if why := ready(); why != "" {
		t.Skip(why)
	}
	archive := sample(t)
	engines := []*engine{startDockerd(t), startLayerlab(t)}
	for _, e := range engines {
		e.prepare(t, archive)
		for _, line := range []string{
			"docker volume create vol", "docker network create net",
			"docker run -d --name box --network net -v vol:/v -l a=b -p 127.0.0.1::80 lab:1 sleep 1000",
		} {
			if a := e.sh(t.Context(), line); a.exit != 0 {
				t.Fatalf("%s: %s", e.name, a)
			}
		}
	}
	unused := map[string]bool{}
	for key := range absent {
		unused[key] = true
	}
	count, newest := 0, map[string]bool{}
	for _, version := range []string{"1.41", "1.40", "1.30", "1.24"} {
		for _, path := range []string{
			"/images/json", "/images/lab:1/json", "/images/lab:1/history", "/containers/json?size=1", "/containers/box/json?size=1", "/containers/box/top",
			"/containers/box/stats?stream=0", "/containers/box/changes", "/networks", "/networks/net", "/volumes", "/volumes/vol", "/info", "/version", "/system/df",
		} {
			var found [2]map[string]bool
			for n, e := range engines {
				status, body := e.ask(t, "GET", "/v"+version+path, "")
				var v any
				if err := json.Unmarshal([]byte(body), &v); err != nil || status != 200 {
					t.Fatalf("%s %s of %s: %d %.300s", e.name, path, version, status, body)
				}
				found[n] = map[string]bool{}
				keys(v, strings.Split(path, "?")[0], found[n])
			}
			count += len(found[0])
			if version == "1.41" {
				maps.Copy(newest, found[1])
			}
			var missing []string
			for key := range found[0] {
				delete(unused, key)
				if !found[1][key] && !newest[key] && absent[key] == "" {
					missing = append(missing, key)
				}
			}
			slices.Sort(missing)
			if len(missing) > 0 {
				t.Errorf("%s lacks %s", version, strings.Join(missing, " "))
			}
		}
	}
	for key := range unused {
		t.Errorf("Docker has no %s: take it from the list", key)
	}
	t.Logf("%d keys", count)
}
