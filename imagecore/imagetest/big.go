package imagetest

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Big describes a large image for benchmarks: files spread over folders of a
// hundred, in a base layer; in the layers above, files written anew, some new
// ones and whiteouts.
type Big struct {
	Files     int   // of the base layer
	FileSize  int64 // bytes of each
	Layers    int   // at least 1
	Whiteouts int   // in each layer above the base
	// Beside has the first whiteout of each layer stand beside its own name, as
	// some builders write it: what engines make of that is not the same.
	Beside bool
}

func (g Big) folder(i int) string {
	return fmt.Sprintf("usr/share/package-%04d/part-%02d", i/1000, i/100%10)
}
func (g Big) file(i int) string { return fmt.Sprintf("%s/file-%07d.dat", g.folder(i), i) }

// each calls f for every record of a layer, folders before what they hold.
func (g Big) each(layer int, f func(name string, dir bool, size int64)) {
	if layer == 0 {
		f("usr", true, 0)
		f("usr/share", true, 0)
		for i := range g.Files {
			if i%1000 == 0 {
				f(fmt.Sprintf("usr/share/package-%04d", i/1000), true, 0)
			}
			if i%100 == 0 {
				f(g.folder(i), true, 0)
			}
			f(g.file(i), false, g.FileSize)
		}
		return
	}
	// Spread over the base by a stride that is prime to any power of ten.
	anew := map[int]bool{}
	for i := range min(g.Files/50, 2000) {
		n := (i*7919 + layer) % g.Files
		anew[n] = true
		f(g.file(n), false, g.FileSize)
	}
	for i := range g.Whiteouts {
		n := (i*104729 + layer*17) % g.Files
		for anew[n] {
			n = (n + 1) % g.Files
		}
		if g.Beside && i == 0 {
			n = layer % g.Files
		}
		f(fmt.Sprintf("%s/.wh.file-%07d.dat", g.folder(n), n), false, 0)
	}
	f(fmt.Sprintf("opt/layer-%d/new", layer), false, g.FileSize)
}

// Entries returns the stack as a scanner would give it, without bytes behind
// it: for benchmarks of what works on entries alone.
func (g Big) Entries() []imagecore.Layer {
	layers := make([]imagecore.Layer, g.Layers)
	for l := range layers {
		var entries []imagecore.Entry
		offset := int64(0)
		g.each(l, func(name string, dir bool, size int64) {
			e := imagecore.Entry{Name: name, Path: name, Kind: imagecore.File, Mode: 0o644, Size: size, Stored: size, ModTime: Time, Offset: offset, DataOffset: offset + 512}
			if dir {
				e.Kind, e.Mode = imagecore.Dir, 0o755
			} else if i := lastSlash(name); len(name) > i+5 && name[i+1:i+5] == ".wh." {
				e.Kind, e.Path = imagecore.Whiteout, name[:i+1]+name[i+5:]
			}
			offset += 512 + (size+511)/512*512
			entries = append(entries, e)
		})
		layers[l] = imagecore.Layer{Index: l, Present: true, Entries: entries, EntryCount: len(entries)}
	}
	return layers
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return -1
}

// WriteTo streams the image as a docker save archive; every layer is written
// twice, once to learn its digest and size.
func (g Big) WriteTo(w io.Writer) (int64, error) {
	out := &counter{w: bufio.NewWriterSize(w, 1<<20)}
	tw := tar.NewWriter(out)
	config := v1.Image{Platform: v1.Platform{Architecture: "amd64", OS: "linux"}, RootFS: v1.RootFS{Type: "layers"}}
	var names []string
	for l := range g.Layers {
		h := sha256.New()
		size := &counter{w: h}
		if err := g.writeLayer(size, l); err != nil {
			return out.n, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.NewDigest(digest.SHA256, h))
		config.History = append(config.History, v1.History{CreatedBy: fmt.Sprintf("layer %d", l)})
		names = append(names, fmt.Sprintf("%d/layer.tar", l))
		if err := tw.WriteHeader(&tar.Header{Name: names[l], Typeflag: tar.TypeReg, Mode: 0o644, Size: size.n}); err != nil {
			return out.n, err
		}
		if err := g.writeLayer(tw, l); err != nil {
			return out.n, err
		}
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return out.n, err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{"big:latest"}, "Layers": names}})
	if err != nil {
		return out.n, err
	}
	for _, f := range []file{{name: "config.json", data: raw}, {name: "manifest.json", data: manifest}} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			return out.n, err
		}
		if _, err := tw.Write(f.data); err != nil {
			return out.n, err
		}
	}
	if err := tw.Close(); err != nil {
		return out.n, err
	}
	return out.n, out.w.(*bufio.Writer).Flush()
}

func (g Big) writeLayer(w io.Writer, layer int) (err error) {
	tw := tar.NewWriter(w)
	data := make([]byte, g.FileSize)
	n := uint32(layer + 1)
	g.each(layer, func(name string, dir bool, size int64) {
		if err != nil {
			return
		}
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, ModTime: time.Unix(Time, 0)}
		if dir {
			h.Name, h.Typeflag, h.Mode = name+"/", tar.TypeDir, 0o755
		}
		if err = tw.WriteHeader(h); err != nil {
			return
		}
		for i := range data[:size] {
			n = n*1664525 + 1013904223
			data[i] = byte(n >> 24)
		}
		_, err = tw.Write(data[:size])
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Emptied returns layers each of which empties one folder by an opaque whiteout
// and fills it with files of names that no other layer has.
func Emptied(layers, files int) []imagecore.Layer {
	all := make([]imagecore.Layer, layers)
	for l := range all {
		entries := []imagecore.Entry{{Name: "d/.wh..wh..opq", Path: "d", Kind: imagecore.Opaque}}
		for f := range files {
			name := fmt.Sprintf("d/%d-%d", l, f)
			entries = append(entries, imagecore.Entry{Name: name, Path: name, Kind: imagecore.File, Mode: 0o644, Offset: int64(f+1) * 512})
		}
		all[l] = imagecore.Layer{Index: l, Present: true, Entries: entries}
	}
	return all
}
