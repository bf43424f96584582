//go:build linux && compare

package compare

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// answer is how a line ended.
type answer struct {
	exit     int
	out, err string
}

func (a answer) String() string {
	return fmt.Sprintf("exit %d\n%s%s", a.exit, indented("  | ", a.out), indented("  ! ", a.err))
}

func indented(by, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

// group is a run of lines that begins with clean engines.
type group struct {
	name  string
	lines []string
}

// readLines reads the list: a line that begins with ## begins a group, one with
// # is a remark, one that ends in a backslash goes on.
func readLines(text string) (list []group) {
	joined := strings.ReplaceAll(text, "\\\n", "")
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			list = append(list, group{name: line[3:]})
		case line == "", strings.HasPrefix(line, "#"):
		default:
			g := &list[len(list)-1]
			g.lines = append(g.lines, line)
		}
	}
	return list
}

// readDifferences reads the list of those that are known: a group and a command
// line of it, with its number where it stands there more than once, and indented
// beneath it why.
func readDifferences(text string) (map[string]string, error) {
	known := map[string]string{}
	last := ""
	for line := range strings.Lines(text) {
		clean := strings.TrimSpace(line)
		switch {
		case clean == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			known[last] = strings.TrimSpace(known[last] + " " + clean)
		default:
			if _, twice := known[clean]; twice {
				return nil, fmt.Errorf("%q stands there twice", clean)
			}
			last = clean
			known[last] = ""
		}
	}
	for line, why := range known {
		if why == "" {
			return nil, fmt.Errorf("%q: no reason", line)
		}
	}
	return known, nil
}

func TestSameAsDocker(t *testing.T) {
	if why := ready(); why != "" {
		t.Skip(why)
	}
	archive := sample(t)
	engines := []*engine{startDockerd(t), startLayerlab(t)}
	text, err := os.ReadFile("testdata/lines.txt")
	must(t, err)
	listed, err := os.ReadFile("testdata/differences.txt")
	must(t, err)
	known, err := readDifferences(string(listed))
	must(t, err)
	for _, e := range engines {
		e.prepare(t, archive)
	}
	lines, same, different := 0, 0, 0
	only := os.Getenv("LAYERLAB_GROUP") // to look at one while writing it
	for i, g := range readLines(string(text)) {
		if only != "" && !strings.Contains(g.name, only) {
			continue
		}
		began := time.Now()
		both(func(n int) {
			if i > 0 {
				engines[n].clean(t, archive)
			}
		})
		times := map[string]int{}
		for _, line := range g.lines {
			key := g.name + ": " + line
			if times[line]++; times[line] > 1 {
				key += fmt.Sprintf(" (%d)", times[line])
			}
			var got [2]answer
			var took [2]time.Duration
			both(func(n int) {
				began := time.Now()
				got[n] = engines[n].sh(t.Context(), line).masked(engines[n])
				took[n] = time.Since(began)
			})
			if max(took[0], took[1]) > 5*time.Second {
				t.Logf("slow: %s: %v and %v", line, took[0], took[1])
			}
			lines++
			_, listed := known[key]
			equal := got[0] == got[1]
			switch {
			case equal && listed:
				t.Errorf("%s: no longer different: take it from differences.txt\n%s", key, got[0])
			case !equal && !listed:
				t.Errorf("%s\ndockerd: %slayerlab: %s", key, got[0], got[1])
			case equal:
				same++
			default:
				different++
			}
			delete(known, key)
		}
		t.Logf("%s: %d lines, %.1f s", g.name, len(g.lines), time.Since(began).Seconds())
	}
	for line := range known {
		if only == "" {
			t.Errorf("differences.txt: %q is no line of the list", line)
		}
	}
	t.Logf("%d lines: %d the same, %d differ as listed (%s)", lines, same, different, client())
}

// both does something for each engine at once.
func both(do func(n int)) {
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Go(func() { do(n) })
	}
	wg.Wait()
}

// sample makes the image that the lines run, and puts the client where they find
// it.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(bin+"/layerlab-sample", "-userland", bin+"/layerlab-userland", "-o", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at, err := exec.LookPath(client())
	must(t, err)
	must(t, os.MkdirAll(bin+"/client", 0o755))
	if err := os.Symlink(at, bin+"/client/docker"); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return filepath.Join(dir, "sample.tar")
}
