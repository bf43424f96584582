//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/contents"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/unpack"
)

// unpacking compares how layers are unpacked, from tars that are read and
// checked already: ours merges, writes what overlayfs stacks and flushes it to
// the disk, tar writes one folder a layer, umoci one folder of all of them.
func unpacking(o options) []row {
	var list []row
	for _, x := range []struct {
		work string
		imagetest.Big
	}{
		{"unpack 1.4 GB, 12,000 files, 5 layers", imagetest.Big{Files: 12_000, FileSize: 110_000, Layers: 5, Whiteouts: 10}},
		{"unpack 334 MB, 100,000 files, 5 layers", imagetest.Big{Files: 100_000, FileSize: 2_500, Layers: 5, Whiteouts: 50}},
	} {
		f := files{x.Big, filepath.Join(o.cache, fmt.Sprintf("engine-%d-of-%d-layers-%d", x.Files, x.FileSize, x.Layers))}
		umoci, err := exec.LookPath("umoci")
		absent := ""
		if err != nil {
			absent = "not installed"
		}
		list = append(list, row{
			work: x.work, prepare: func(ctx context.Context) error { return f.prepare(ctx, o.layerlab) },
			goal: "≤ tar and a flush, ≤ 1/2 umoci",
			met:  func(f []float64) bool { return f[0] <= f[2] && (f[3] == 0 || f[0] <= f[3]/2) },
			subjects: []subject{
				{name: "layerlab", run: func(ctx context.Context, dir string) error {
					self, err := os.Executable()
					if err != nil {
						return err
					}
					return command(ctx, self, "unpack", o.helper, f.archive(), dir)
				}},
				{name: "tar", run: f.tar},
				{name: "tar, and a flush", run: func(ctx context.Context, dir string) error {
					if err := f.tar(ctx, dir); err != nil {
						return err
					}
					return command(ctx, "sync", "-f", dir)
				}},
				{name: "umoci unpack", absent: absent, run: func(ctx context.Context, dir string) error {
					return command(ctx, umoci, "unpack", "--image", f.layout()+":big", filepath.Join(dir, "bundle"))
				}},
			},
		})
	}
	return list
}

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.500s", filepath.Base(name), err, out)
	}
	return nil
}

// files are the forms of one image that the subjects take.
type files struct {
	imagetest.Big
	dir string
}

func (f files) archive() string    { return filepath.Join(f.dir, "image.tar") }
func (f files) layout() string     { return filepath.Join(f.dir, "oci") }
func (f files) layer(i int) string { return filepath.Join(f.dir, fmt.Sprint(i, ".tar")) }

// prepare makes what is not in the cache yet, and reads all of it once.
func (f files) prepare(ctx context.Context, layerlab string) error {
	complete := filepath.Join(f.dir, "complete")
	if _, err := os.Stat(complete); err != nil {
		if err := errors.Join(os.RemoveAll(f.dir), os.MkdirAll(f.dir, 0o755)); err != nil {
			return err
		}
		if err := f.make(ctx, layerlab); err != nil {
			return err
		}
		if err := os.WriteFile(complete, nil, 0o644); err != nil {
			return err
		}
	}
	return filepath.Walk(f.dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(io.Discard, in)
		return err
	})
}

func (f files) make(ctx context.Context, layerlab string) error {
	out, err := os.Create(f.archive())
	if err != nil {
		return err
	}
	_, err = f.WriteTo(out)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := command(ctx, layerlab, "convert", "--to", "oci-dir", "-o", f.layout(), f.archive()); err != nil {
		return err
	}
	// umoci takes what stands behind the colon for the tag, and no colon in it.
	index := filepath.Join(f.layout(), "index.json")
	text, err := os.ReadFile(index)
	if err != nil {
		return err
	}
	if err := os.WriteFile(index, bytes.ReplaceAll(text, []byte(`"big:latest"`), []byte(`"big"`)), 0o644); err != nil {
		return err
	}
	if err := command(ctx, "tar", "-x", "-C", f.dir, "-f", f.archive()); err != nil {
		return err
	}
	for i := range f.Layers {
		if err := os.Rename(filepath.Join(f.dir, fmt.Sprint(i), "layer.tar"), f.layer(i)); err != nil {
			return err
		}
	}
	return nil
}

func (f files) tar(ctx context.Context, dir string) error {
	for i := range f.Layers {
		to := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		if err := command(ctx, "tar", "-x", "-p", "--numeric-owner", "-C", to, "-f", f.layer(i)); err != nil {
			return err
		}
	}
	return nil
}

// unpackAll is ours: RUNTIME ARCHIVE DIR. It includes reading the archive's
// headers and merging.
func unpackAll(args []string) error {
	if len(args) != 3 {
		return errors.New("unpack RUNTIME ARCHIVE DIR")
	}
	program, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer program.Close()
	sealed, err := sealed.Copy("layerlab-runtime", program)
	if err != nil {
		return err
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a, err := archive.Open(f, info.Size(), archive.Options{})
	if err != nil {
		return err
	}
	defer a.Close()
	layers := a.Report().Images[0].Layers
	merged, err := tree.Build(layers, tree.Spec)
	if err != nil {
		return err
	}
	var work errgroup.Group
	work.SetLimit(2)
	for i := range layers {
		work.Go(func() error {
			return unpack.Program{Executable: sealed}.Unpack(context.Background(), filepath.Join(args[2], fmt.Sprint(i)), merged, i,
				contents.Of(a, 0), snapshot.UnpackOptions{})
		})
	}
	return work.Wait()
}
