package activity

import (
	"net/http"
	"regexp"
)

// verbs are docker's words for the routes of both APIs, a parameter written {}.
// Those of the lab's own API differ only where it has other routes.
func verbs() map[string]string {
	return map[string]string{
		"GET /_ping": "ping", "HEAD /_ping": "ping", "GET /version": "version", "GET /info": "info", "GET /events": "events",
		"GET /system/df": "system df", "GET /plugins": "plugin ls", "GET /nodes": "node ls", "GET /services": "service ls",
		"GET /tasks": "service ps", "GET /secrets": "secret ls", "GET /configs": "config ls", "GET /swarm": "swarm",

		"GET /images/json": "images", "GET /images/get": "save", "GET /images/{}/get": "save", "GET /images/{}/save": "save",
		"GET /images/{}/flatten": "flatten", "POST /images/load": "load", "POST /images": "load", "POST /images/create": "import",
		"POST /images/prune": "image prune", "GET /images/{}/json": "inspect", "GET /images/{}/history": "history",
		"POST /images/{}/tag": "tag", "DELETE /images/{}": "rmi", "POST /build": "build", "POST /images/{}/push": "push",
		"GET /images/search": "search", "POST /auth": "login",

		"GET /containers/json": "ps", "GET /containers/ps": "ps", "POST /containers/create": "create", "POST /containers": "create",
		"POST /containers/prune": "container prune", "GET /containers/{}/json": "inspect", "POST /containers/{}/start": "start",
		"POST /containers/{}/stop": "stop", "POST /containers/{}/restart": "restart", "POST /containers/{}/kill": "kill",
		"POST /containers/{}/pause": "pause", "POST /containers/{}/unpause": "unpause", "POST /containers/{}/rename": "rename",
		"POST /containers/{}/resize": "resize", "POST /containers/{}/wait": "wait", "POST /containers/{}/attach": "attach",
		"GET /containers/{}/logs": "logs", "GET /containers/{}/top": "top", "GET /containers/{}/stats": "stats",
		"POST /containers/{}/update": "update", "GET /containers/{}/changes": "diff", "GET /containers/{}/export": "export",
		"GET /containers/{}/archive": "cp", "HEAD /containers/{}/archive": "cp", "PUT /containers/{}/archive": "cp",
		"POST /containers/{}/exec": "exec", "DELETE /containers/{}": "rm", "POST /commit": "commit",
		"POST /containers/{}/commit": "commit", "POST /exec/{}/start": "exec start", "POST /exec/{}/resize": "resize",
		"GET /exec/{}/json": "exec inspect",

		"GET /volumes": "volume ls", "POST /volumes/create": "volume create", "POST /volumes": "volume create",
		"POST /volumes/prune": "volume prune", "GET /volumes/{}": "volume inspect", "DELETE /volumes/{}": "volume rm",
		"GET /networks": "network ls", "POST /networks/create": "network create", "POST /networks": "network create",
		"POST /networks/prune": "network prune", "GET /networks/{}": "network inspect", "DELETE /networks/{}": "network rm",
		"POST /containers/{}/recordings": "record", "POST /recordings/{}/stop": "record stop", "DELETE /recordings/{}": "record rm",
		"POST /containers/{}/shares": "share", "DELETE /shares/{}": "share rm",
		"POST /networks/{}/connect": "network connect", "POST /networks/{}/disconnect": "network disconnect",
	}
}

var parameter = regexp.MustCompile(`\{\w+\}|:\w+`)

// Namer gives routes docker's words.
type Namer struct{ verbs map[string]string }

// NewNamer returns the namer of both APIs' routes.
func NewNamer() Namer { return Namer{verbs()} }

// Verb returns docker's word for a route, whose pattern writes parameters as
// {name} or :name; "" for one without.
func (n Namer) Verb(method, pattern string) string {
	return n.verbs[method+" "+parameter.ReplaceAllString(pattern, "{}")]
}

// Reads reports whether a call changes nothing: those that look, and those that
// only wait for what others do or carry bytes to and fro.
func Reads(method, verb string) bool {
	switch verb {
	case "save", "export", "flatten":
		return false // long work that people ask for
	case "wait", "attach", "resize", "ping":
		return true
	}
	return method == http.MethodGet || method == http.MethodHead
}
