package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peers are the programs to compare with: name → path, of those that are there.
type peers map[string]string

// fetched are those that `go install` brings, at versions that are pinned so
// that figures of two days can be compared.
var fetched = map[string]string{
	"dive":  "github.com/wagoodman/dive@v0.13.1",
	"crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
}

// debian are those that a package brings, with the way to ask for the version.
var debian = map[string]string{"umoci": "--version", "skopeo": "--version", "openssl": "version"}

// findPeers looks for the peers, in the cache folder and on the search path.
func findPeers(ctx context.Context, cache string, fetch bool) (peers, error) {
	bin := filepath.Join(cache, "bin")
	found := peers{}
	for name, module := range fetched {
		path := filepath.Join(bin, name)
		if _, err := os.Stat(path); err != nil && fetch {
			cmd := exec.CommandContext(ctx, "go", "install", module)
			cmd.Env = append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("go install %s: %w: %s", module, err, strings.TrimSpace(string(out)))
			}
		}
		if _, err := os.Stat(path); err == nil {
			found[name] = path
		}
	}
	for name := range debian {
		if path, err := exec.LookPath(name); err == nil {
			found[name] = path
		}
	}
	return found, nil
}

// String lists versions, and what is missing.
func (p peers) String() string {
	var have, missing []string
	for _, name := range []string{"dive", "crane", "skopeo", "umoci", "openssl"} {
		path, ok := p[name]
		switch {
		case !ok:
			missing = append(missing, name)
		case fetched[name] != "":
			_, version, _ := strings.Cut(fetched[name], "@")
			have = append(have, name+" "+version)
		default:
			have = append(have, version(path, debian[name]))
		}
	}
	text := "Beside " + strings.Join(have, ", ") + "."
	if len(missing) > 0 {
		text += " Not there: " + strings.Join(missing, ", ") + "."
	}
	return text + "\n"
}

// version is the first words that a program says of itself.
func version(path, flag string) string {
	out, err := exec.Command(path, flag).Output()
	if err != nil {
		return filepath.Base(path)
	}
	words := strings.Fields(string(out))
	for i, w := range words {
		if w != "" && w[0] >= '0' && w[0] <= '9' {
			return filepath.Base(path) + " " + strings.Trim(words[i], ",")
		}
	}
	return filepath.Base(path)
}
