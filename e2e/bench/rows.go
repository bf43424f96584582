package main

import (
	"fmt"
	"path/filepath"
)

// bench makes the rows.
type bench struct {
	layerlab string
	cache    string
	scratch  string // a folder of its own
	have     peers
	self     string // this program
}

func (b bench) ours(want float64, name string, args ...string) subject {
	return subject{name: "layerlab " + name, argv: append([]string{b.layerlab, name}, args...), want: want}
}

func (b bench) floor(a archive) subject {
	return subject{name: "floor", argv: []string{b.self, "floor", a.in(b.cache)}}
}

// against adds the peer, where it is there, and others.
func (c comparison) against(peer subject, others ...subject) comparison {
	c.peer = -1
	if peer.argv[0] != "" {
		c.peer = len(c.subjects)
		c.subjects = append(c.subjects, peer)
	}
	c.subjects = append(c.subjects, others...)
	return c
}

// comparisons lists the rows.
func (b bench) comparisons() []comparison {
	all := []comparison{b.merged("1.4 GB in 5 layers", large, 1.0/20)}
	for _, n := range []int{0, 50, 200, 2000} {
		want := 0.0
		if n == 200 {
			want = 1.0 / 50
		}
		all = append(all, b.merged(fmt.Sprintf("334 MB, 100,000 files, %d whiteouts", n), small(n), want))
	}
	all = append(all,
		b.merged("the same with 200, one in each layer beside its own name", odd(200), 0),
		b.merged("500 layers", deep, 0))
	all = append(all, b.verified()...)
	for _, x := range []struct {
		title string
		archive
	}{{"1.4 GB", large}, {"334 MB, 100,000 files", small(200)}} {
		all = append(all, b.flattened(x.title, x.archive), b.converted(x.title, x.archive))
	}
	return append(all, b.unpacked())
}

// merged compares what it takes to know what is in an image: its report, its
// merged tree, and dive's own question. dive's is what it does in CI, without
// its screens.
func (b bench) merged(title string, a archive, want float64) comparison {
	in := a.in(b.cache)
	ci := b.ours(0, "ci", in)
	ci.fails = true
	return comparison{
		work: title + ": inspect, merge, waste", needs: a,
		subjects: []subject{b.ours(want, "inspect", in), b.ours(want, "tree", in), ci},
	}.against(subject{
		name: "dive", argv: []string{b.have["dive"], "--ci", "--source", "docker-archive", in}, fails: true,
	}, b.floor(a))
}

// verified compares hashing, on one core and on all.
func (b bench) verified() []comparison {
	in := large.in(b.cache)
	sum := subject{name: "openssl sha256", argv: []string{b.have["openssl"], "dgst", "-sha256", in}}
	all := comparison{
		work: "1.4 GB: verify all digests", needs: large,
		subjects: []subject{b.ours(1.1, "verify", in)},
	}.against(sum, b.floor(large))
	one := comparison{work: "the same on one core", needs: large, peer: all.peer}
	for _, s := range all.subjects {
		s.argv = append([]string{"taskset", "-c", "0"}, s.argv...)
		one.subjects = append(one.subjects, s)
	}
	return []comparison{all, one}
}

func (b bench) flattened(title string, a archive) comparison {
	in := a.in(b.cache)
	return comparison{
		work: title + ": flatten to /dev/null", needs: a,
		subjects: []subject{b.ours(1, "flatten", in, "-o", "/dev/null")},
	}.against(subject{
		// It takes archives on standard input alone, and copies them first.
		name: "crane export", argv: []string{b.have["crane"], "export", "-", "/dev/null"}, stdin: in, env: []string{"TMPDIR=" + b.scratch},
	})
}

func (b bench) converted(title string, a archive) comparison {
	in, ours, theirs := a.in(b.cache), filepath.Join(b.scratch, "ours"), filepath.Join(b.scratch, "theirs")
	return comparison{
		work: title + ": convert to an OCI layout", needs: a, clean: []string{ours, theirs},
		subjects: []subject{b.ours(0, "convert", in, "--to", "oci-dir", "-o", ours)},
	}.against(subject{name: "skopeo copy", argv: []string{
		b.have["skopeo"], "copy", "-q", "--insecure-policy", "--dest-oci-accept-uncompressed-layers",
		"docker-archive:" + in, "oci:" + theirs + ":big",
	}})
}

// unpacked compares what it takes to have the merged tree as files.
func (b bench) unpacked() comparison {
	a := small(200)
	layout, ours, theirs := filepath.Join(b.scratch, "layout"), filepath.Join(b.scratch, "root"), filepath.Join(b.scratch, "bundle")
	return comparison{
		work: "334 MB, 100,000 files: merged tree as files", needs: a, clean: []string{ours, theirs},
		before: []string{b.layerlab, "convert", a.in(b.cache), "--to", "oci-dir", "-o", layout},
		subjects: []subject{{
			name: "layerlab flatten, tar",
			argv: []string{"sh", "-c", `mkdir "$3" && "$1" flatten "$2" -o - | tar -x -C "$3"`, "sh", b.layerlab, a.in(b.cache), ours},
		}},
	}.against(subject{name: "umoci unpack", argv: []string{b.have["umoci"], "unpack", "--image", layout + ":big:latest", theirs}})
}
