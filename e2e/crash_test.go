package e2e_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashLab is a server whose store is looked at after each death.
type crashLab struct {
	leakLab
	archives [][]byte
	diffIDs  map[string]bool // of layers of archives
	shims    []int           // processes whose descriptors holding counts
}

// filesEach is how many files a layer of savedImage has.
const filesEach = 100

func (c *crashLab) data(name ...string) string {
	return filepath.Join(append([]string{c.dir, "data"}, name...)...)
}

// begin starts the server and returns what it said until it served.
func (c *crashLab) begin() string {
	c.t.Helper()
	log, err := os.CreateTemp(c.dir, "log-*")
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(bin, "layerlab"), "serve", "--listen", "127.0.0.1:0", "--no-samples", "--module-cache", modules(),
		"--data", c.data(), "--run", filepath.Join(c.dir, "run"), "--docker-socket", filepath.Join(c.dir, "d.sock"))
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	said, readErr := os.ReadFile(log.Name())
	if err != nil || readErr != nil || !strings.Contains(line, "serves at") {
		_ = cmd.Wait()
		c.t.Fatalf("the server does not start: %q %v %v\n%s", line, err, readErr, said)
	}
	c.server = cmd
	return string(said)
}

// savedImage is a docker save archive of an image called crash:N, of two
// layers, the first of which all have in common.
func savedImage(n int) (archive []byte, diffIDs []string) {
	noise := rand.NewChaCha8([32]byte{byte(n)})
	layer := func(name string, files int, content io.Reader) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for i := range files {
			body := make([]byte, 8<<10)
			_, _ = content.Read(body) // never fails
			_ = w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%s-%d", name, i), Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg})
			_, _ = w.Write(body)
		}
		_ = w.Close() // a buffer takes all
		return b.Bytes()
	}
	layers := [][]byte{layer("base", filesEach, rand.NewChaCha8([32]byte{})), layer("own", filesEach, noise)}
	var names []string
	for i, l := range layers {
		diffIDs, names = append(diffIDs, "sha256:"+sum(l)), append(names, fmt.Sprintf("%d/layer.tar", i))
	}
	config, _ := json.Marshal(map[string]any{ // of texts alone
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Cmd": []string{"/x"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	manifest, _ := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{fmt.Sprintf("crash:%d", n)}, "Layers": names}})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, body := range append(layers, config, manifest) {
		name := append(names, "config.json", "manifest.json")[i]
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg})
		_, _ = w.Write(body)
	}
	_ = w.Close()
	return b.Bytes(), diffIDs
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// state is what the server says that it has.
type state struct {
	images     map[string]string // id → names
	containers map[string]bool
}

func (c *crashLab) state() state {
	c.t.Helper()
	s := state{map[string]string{}, map[string]bool{}}
	var images []struct {
		ID       string
		RepoTags []string
	}
	var containers []struct{ ID string }
	for path, into := range map[string]any{"/images/json?all=1": &images, "/containers/json?all=1": &containers} {
		if status, text := c.do("GET", path, nil); status != 200 || json.Unmarshal([]byte(text), into) != nil {
			c.t.Fatalf("%s: %d %s", path, status, text)
		}
	}
	for _, img := range images {
		slices.Sort(img.RepoTags)
		s.images[img.ID] = strings.Join(img.RepoTags, " ")
	}
	for _, one := range containers {
		s.containers[one.ID] = true
	}
	return s
}

// whole holds the data folder against itself: index.json names images, their
// manifests and configs name blobs and layers; all of them are there, as their
// digests say, and nothing else is. It returns what there is too much of.
func (c *crashLab) whole() (extra []string, err error) {
	type descriptor struct{ Digest string }
	wanted := map[string]bool{}
	blob := func(d string) []byte {
		wanted[d] = true
		b, readErr := os.ReadFile(c.data("blobs", "sha256", strings.TrimPrefix(d, "sha256:")))
		if readErr != nil || "sha256:"+sum(b) != d {
			err = fmt.Errorf("blob %s has %d bytes of sha256:%s (%v)", d, len(b), sum(b), readErr)
		}
		return b
	}
	parse := func(b []byte, into any) {
		if e := json.Unmarshal(b, into); e != nil && err == nil {
			err = e
		}
	}
	var index struct{ Manifests []descriptor }
	b, e := os.ReadFile(c.data("index.json"))
	if e != nil {
		return nil, e
	}
	parse(b, &index)
	for _, m := range index.Manifests {
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		var config struct {
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		parse(blob(m.Digest), &manifest)
		parse(blob(manifest.Config.Digest), &config)
		for _, l := range manifest.Layers {
			blob(l.Digest)
		}
		chain := ""
		for _, d := range config.RootFS.DiffIDs {
			own := d
			if chain != "" {
				d = "sha256:" + sum([]byte(chain+" "+d))
			}
			chain = d
			wanted[strings.TrimPrefix(chain, "sha256:")] = true
			if list, e := os.ReadDir(c.data("layers", strings.TrimPrefix(chain, "sha256:"))); e != nil {
				err = e
			} else if c.diffIDs[own] && len(list) != filesEach {
				err = fmt.Errorf("layer %s has %d files", chain, len(list))
			}
		}
		wanted[strings.TrimPrefix(chain, "sha256:")+".index"] = true
	}
	for dir, prefix := range map[string]string{"blobs/sha256": "sha256:", "layers": "", "trash": "trash/"} {
		list, e := os.ReadDir(c.data(dir))
		if e != nil {
			return extra, e
		}
		for _, f := range list {
			if !wanted[prefix+f.Name()] {
				extra = append(extra, filepath.Join(dir, f.Name()))
			}
		}
	}
	spools, e := filepath.Glob(c.data("spool-*"))
	if e != nil {
		return extra, e
	}
	for _, name := range spools {
		extra = append(extra, filepath.Base(name))
	}
	return extra, err
}

// unpack waits until all layers are in their folders, which follow behind: a
// container of each image needs them.
func (c *crashLab) unpack() {
	c.t.Helper()
	for id := range c.state().images {
		c.remove(c.made("/containers/create", fmt.Sprintf(`{"Image":%q,"Cmd":["/x"],"HostConfig":{"NetworkMode":"none"}}`, id)))
	}
}

// attempt is an operation that the server is killed in.
type attempt struct {
	name string
	do   func() (status int, text string)
	// may says whether the state after it, or after its end, is one that the
	// operation may leave.
	may func(before, after state) bool
}

func sameState(a, b state) bool {
	return maps.Equal(a.images, b.images) && maps.Equal(a.containers, b.containers)
}

// less says that b is a without some, and at most n of them.
func less[V comparable](a, b map[string]V, n int) bool {
	for k, v := range b {
		if was, ok := a[k]; !ok || was != v {
			return false
		}
	}
	return len(a)-len(b) <= n
}

func (c *crashLab) container() string {
	c.t.Helper()
	return c.made("/containers/create", `{"Image":"crash:0","HostConfig":{"NetworkMode":"none"}}`)
}

func (c *crashLab) attempts(random *rand.Rand, round int) []attempt {
	n := 1 + random.IntN(len(c.archives)-1)
	id := c.container()
	images := func(most int) func(before, after state) bool {
		return func(before, after state) bool {
			return maps.Equal(before.containers, after.containers) && less(before.images, after.images, most)
		}
	}
	more := func(before, after state) bool {
		return maps.Equal(before.containers, after.containers) && less(after.images, before.images, 1)
	}
	return []attempt{
		{"load", func() (int, string) { return c.post("/images/load", bytes.NewReader(c.archives[n])) }, more},
		{"commit", func() (int, string) {
			return c.post(fmt.Sprintf("/commit?container=%s&repo=made&tag=%d", id, round), strings.NewReader("{}"))
		}, more},
		{"save", func() (int, string) { return c.do("GET", "/images/get?names=crash:0", nil) }, sameState},
		{"rmi", func() (int, string) { return c.do("DELETE", fmt.Sprintf("/images/crash:%d", n), nil) }, images(1)},
		{"rm", func() (int, string) { return c.do("DELETE", "/containers/"+id, nil) }, func(before, after state) bool {
			return maps.Equal(before.images, after.images) && less(before.containers, after.containers, 1)
		}},
		{"prune", func() (int, string) {
			return c.post("/images/prune?filters="+url.QueryEscape(`{"dangling":["false"]}`), nil)
		}, images(1000)},
	}
}

// TestKilledServerKeepsAWholeStore kills the server at random moments of load,
// commit, save, rmi, rm and prune. Each next start has the state before the
// operation or after it, every image whole, nothing left over, and says what it
// cleaned up.
func TestKilledServerKeepsAWholeStore(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux: makes containers")
	}
	c := &crashLab{leakLab: leakLab{t: t, dir: t.TempDir()}}
	c.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(c.dir, "d.sock"))
	}}
	c.diffIDs = map[string]bool{}
	for n := range 4 {
		b, diffIDs := savedImage(n)
		c.archives = append(c.archives, b)
		for _, d := range diffIDs {
			c.diffIDs[d] = true
		}
	}
	seed := rand.Uint64()
	if text := os.Getenv("LAYERLAB_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c.begin()
	t.Cleanup(c.end)
	for _, b := range c.archives[:2] {
		if status, text := c.post("/images/load", bytes.NewReader(b)); status != 200 {
			t.Fatalf("load: %d %s", status, text)
		}
	}
	took := map[string]time.Duration{} // by the last one that came to its end
	cut, kept, cleaned := map[string]int{}, map[string]int{}, 0
	for round := range count(t, "LAYERLAB_CRASHES", 20) {
		list := c.attempts(random, round)
		a := list[round%len(list)]
		before := c.state()
		limit := took[a.name]
		if limit == 0 {
			limit = 100 * time.Millisecond
		}
		begin, done := time.Now(), make(chan int)
		go func() {
			status, _ := a.do()
			done <- status
		}()
		wait := time.NewTimer(time.Duration(random.Int64N(int64(limit * 5 / 4))))
		status := 0
		select {
		case status = <-done:
			took[a.name] = time.Since(begin)
			kept[a.name]++
			c.kill()
		case <-wait.C:
			c.kill()
			status = <-done
			cut[a.name]++
			took[a.name] = max(limit, time.Since(begin)) * 3 / 2 // later, if it never comes to its end
		}
		wait.Stop()
		left, _ := c.whole() // before the next start has looked
		said := c.begin()
		left = slices.DeleteFunc(left, func(name string) bool {
			_, err := os.Lstat(c.data(name))
			return err == nil // index.json only lagged behind
		})
		if len(left) > 0 {
			cleaned++
			if !strings.Contains(said, "cleaned up") && !strings.Contains(said, "brought back") {
				t.Errorf("round %d: %s left %v, and the next start says nothing of it:\n%s", round, a.name, left, said)
			}
		}
		c.unpack()
		if extra, err := c.whole(); err != nil || len(extra) > 0 {
			t.Errorf("round %d: %s: after the next start: %v, too much: %v", round, a.name, err, extra)
		}
		if after := c.state(); !sameState(before, after) && !a.may(before, after) {
			t.Errorf("round %d: %s (status %d) went from %v to %v", round, a.name, status, before, after)
		}
		for id := range c.state().containers {
			c.remove(id)
		}
		// What the next round needs is there.
		if status, text := c.post("/images/load", bytes.NewReader(c.archives[0])); status != 200 {
			t.Fatalf("load: %d %s", status, text)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("killed in the middle of %v, after %v; %d starts had something to clean up", cut, kept, cleaned)
}
