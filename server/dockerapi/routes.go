//go:build linux

package dockerapi

import (
	"fmt"
	"net/http"
	"strings"
)

// table lists what is served. The first line that matches counts, so that
// /images/get stands before /images/{name}.
func (h *Handler) table() []route {
	const get, post, put, del, head = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead
	list := []route{
		{method: get, pattern: "/_ping", do: h.ping},
		{method: head, pattern: "/_ping", do: h.ping},
		{method: get, pattern: "/version", do: h.versions},
		{method: get, pattern: "/info", do: h.info},
		{method: get, pattern: "/events", do: h.events},
		{method: get, pattern: "/system/df", do: h.diskUsage},

		{method: get, pattern: "/images/json", do: h.imageList},
		{method: get, pattern: "/images/get", do: h.imageSave},
		{method: post, pattern: "/images/load", do: h.imageLoad},
		{method: post, pattern: "/images/create", do: h.imageCreate},
		{method: post, pattern: "/images/prune", do: h.imagePrune},
		{method: get, pattern: "/images/{name}/json", do: h.imageInspect},
		{method: get, pattern: "/images/{name}/history", do: h.imageHistory},
		{method: get, pattern: "/images/{name}/get", do: h.imageSave},
		{method: post, pattern: "/images/{name}/tag", do: h.imageTag},
		{method: del, pattern: "/images/{name}", do: h.imageRemove},

		{method: get, pattern: "/containers/json", do: h.containerList},
		{method: get, pattern: "/containers/ps", do: h.containerList},
		{method: post, pattern: "/containers/create", do: h.containerCreate},
		{method: post, pattern: "/containers/prune", do: h.containerPrune},
		{method: get, pattern: "/containers/{name}/json", do: h.containerInspect},
		{method: post, pattern: "/containers/{name}/start", do: h.containerStart},
		{method: post, pattern: "/containers/{name}/stop", do: h.containerStop},
		{method: post, pattern: "/containers/{name}/restart", do: h.containerRestart},
		{method: post, pattern: "/containers/{name}/kill", do: h.containerKill},
		{method: post, pattern: "/containers/{name}/pause", do: h.containerPause},
		{method: post, pattern: "/containers/{name}/unpause", do: h.containerUnpause},
		{method: post, pattern: "/containers/{name}/rename", do: h.containerRename},
		{method: post, pattern: "/containers/{name}/resize", do: h.containerResize},
		{method: post, pattern: "/containers/{name}/wait", do: h.containerWait},
		{method: post, pattern: "/containers/{name}/attach", do: h.containerAttach},
		{method: get, pattern: "/containers/{name}/logs", do: h.containerLogs},
		{method: get, pattern: "/containers/{name}/top", do: h.containerTop},
		{method: get, pattern: "/containers/{name}/stats", do: h.containerStats},
		{method: post, pattern: "/containers/{name}/update", do: h.containerUpdate},
		{method: get, pattern: "/containers/{name}/changes", do: h.containerChanges},
		{method: get, pattern: "/containers/{name}/export", do: h.containerExport},
		{method: get, pattern: "/containers/{name}/archive", do: h.containerArchive},
		{method: head, pattern: "/containers/{name}/archive", do: h.containerArchive},
		{method: put, pattern: "/containers/{name}/archive", do: h.containerExtract},
		{method: post, pattern: "/containers/{name}/exec", do: h.execCreate},
		{method: del, pattern: "/containers/{name}", do: h.containerRemove},
		{method: post, pattern: "/commit", do: h.containerCommit},
		{method: post, pattern: "/exec/{id}/start", do: h.execStart},
		{method: post, pattern: "/exec/{id}/resize", do: h.execResize},
		{method: get, pattern: "/exec/{id}/json", do: h.execInspect},

		{method: get, pattern: "/volumes", do: h.volumeList},
		{method: post, pattern: "/volumes/create", do: h.volumeCreate},
		{method: post, pattern: "/volumes/prune", do: h.volumePrune},
		{method: get, pattern: "/volumes/{name}", do: h.volumeInspect},
		{method: del, pattern: "/volumes/{name}", do: h.volumeRemove},

		// There are no plugins: docker inspect NAME asks for each kind in turn
		// and goes on at a 404.
		{method: get, pattern: "/plugins/{name}/json", do: absent("plugin %q not found")},

		// docker system prune asks these too: there is nothing to prune.
		{method: post, pattern: "/build/prune", do: empty(map[string]any{"CachesDeleted": []string{}, "SpaceReclaimed": 0})},
	}
	list = append(list, h.networkTable()...)
	list = append(list, route{method: get, pattern: "/plugins", do: empty([]struct{}{})})
	for _, pattern := range []string{"/nodes", "/services", "/tasks", "/secrets", "/configs", "/swarm"} {
		list = append(list, route{method: get, pattern: pattern, do: func(*call) error {
			return &refusal{http.StatusServiceUnavailable, `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`}
		}})
	}
	for _, r := range []struct{ method, pattern, what string }{
		{post, "/build", "building images"},
		{post, "/images/{name}/push", "pushing to a registry"},
		{get, "/images/search", "searching a registry"},
		{post, "/auth", "logging in to a registry"},
		{get, "/distribution/{name}/json", "asking a registry"},
	} {
		list = append([]route{{method: r.method, pattern: r.pattern, do: func(c *call) error {
			return &refusal{http.StatusNotImplemented, fmt.Sprintf("%s is not served by layerlab yet (%s %s)", r.what, r.method, r.pattern)}
		}}}, list...)
	}
	return list
}

func absent(format string) func(*call) error {
	return func(c *call) error {
		return &refusal{http.StatusNotFound, fmt.Sprintf(format, strings.TrimSuffix(c.path["name"], "/json"))}
	}
}

func empty(v any) func(*call) error {
	return func(c *call) error { return c.json(http.StatusOK, v) }
}
