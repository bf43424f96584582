package bundle

import (
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// DefaultPath is PATH where neither image nor request has one.
const DefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environment merges in Docker's order: PATH, HOSTNAME and, with a terminal,
// TERM come first and are overwritten in place; what the request names stands
// before what only the image has. A request of "KEY" alone takes KEY away.
func Environment(image, request []string, hostname string, tty bool) ([]string, error) {
	for _, e := range request {
		if key, _, _ := strings.Cut(e, "="); key == "" || strings.ContainsRune(e, 0) {
			return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-env",
				"environment "+quote(e)+": write it as KEY=value", "env", e)
		}
	}
	env := []string{DefaultPath, "HOSTNAME=" + hostname}
	if tty {
		env = append(env, "TERM=xterm")
	}
	for _, e := range request {
		if strings.Contains(e, "=") {
			env = set(env, e, true)
		}
	}
	for _, e := range image {
		key, _, _ := strings.Cut(e, "=")
		if _, asked := find(request, key); asked || key == "" {
			continue
		}
		env = set(env, e, true)
	}
	for _, e := range request {
		if !strings.Contains(e, "=") {
			env = without(env, e)
		}
	}
	return env, nil
}

// set puts e in the place of the entry with the same key, or at the end;
// without replace an entry that is there stays.
func set(env []string, e string, replace bool) []string {
	key, _, _ := strings.Cut(e, "=")
	if i, ok := find(env, key); ok {
		if replace {
			env[i] = e
		}
		return env
	}
	return append(env, e)
}

func without(env []string, key string) []string {
	kept := make([]string, 0, len(env))
	for _, e := range env {
		if k, _, _ := strings.Cut(e, "="); k != key {
			kept = append(kept, e)
		}
	}
	return kept
}

func find(env []string, key string) (int, bool) {
	for i, e := range env {
		if k, _, _ := strings.Cut(e, "="); k == key {
			return i, true
		}
	}
	return 0, false
}

func quote(s string) string { return strconv.Quote(s) }
