//go:build linux

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/store/receive"
)

// Import stores the images of an archive and returns them. size is -1 where
// unknown. All images of the archive are stored or none; an error leaves
// nothing behind. progress may be nil.
func (s *Store) Import(ctx context.Context, body io.Reader, size int64, progress func(wire.UploadProgress)) ([]wire.Image, error) {
	return images(s.load(ctx, body, size, wanted{}, progress))
}

// Loaded is an image of an archive, with the names that this archive gives it.
type Loaded struct {
	Image wire.Image
	Names []string
}

// Load is Import for those who have to tell which names came with the archive.
// Where platforms ("os/arch[/variant]") are given, other images are passed over.
func (s *Store) Load(ctx context.Context, body io.Reader, size int64, platforms []string, progress func(wire.UploadProgress)) ([]Loaded, error) {
	return s.load(ctx, body, size, wanted{platforms: platforms}, progress)
}

// wanted says which images of an archive are stored, and as what.
type wanted struct {
	platforms []string // none: all
	sample    bool     // one that comes with layerlab
}

func (w wanted) has(platform string) bool {
	return len(w.platforms) == 0 || slices.ContainsFunc(w.platforms, func(p string) bool {
		return platform == p || strings.HasPrefix(platform, p+"/")
	})
}

func images(list []Loaded, err error) ([]wire.Image, error) {
	var out []wire.Image
	for _, l := range list {
		out = append(out, l.Image)
	}
	return out, err
}

// ImportSample is Import of an image that comes with layerlab. One that is
// there already is left as it is, its names included.
func (s *Store) ImportSample(ctx context.Context, body io.Reader) ([]wire.Image, error) {
	return images(s.load(ctx, body, -1, wanted{sample: true}, nil))
}

func (s *Store) load(ctx context.Context, body io.Reader, size int64, want wanted, progress func(wire.UploadProgress)) ([]Loaded, error) {
	if progress == nil {
		progress = func(wire.UploadProgress) {}
	}
	s.loading.Add(1)
	defer s.loading.Add(-1)
	f, drop, err := s.receive(ctx, body, size, progress)
	got := &source{close: []func() error{drop}}
	defer got.drop()
	if err != nil {
		return nil, fmt.Errorf("receive the archive: %w", diskError(err))
	}
	whole := len(want.platforms) == 0 && !want.sample
	if k := s.memory.find(f.Identity()); k != nil && whole {
		if list, ok, err := s.again(ctx, k); ok || err != nil {
			return list, err
		}
	}

	n := f.Size()
	report := meter(progress, wire.UploadReading, n)
	a, err := s.o.Read(ctx, f.Reader, n, func(done, _ int64) { report(done) })
	if err != nil {
		return nil, err
	}
	got.close = append(got.close, a.Close)
	report(n)

	give, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer give()
	list, stored, err := s.keep(ctx, f, a, want, progress)
	if err != nil {
		// What was written for images that are not there now is in nobody's
		// way, but it takes space that the next try may need.
		return nil, errors.Join(diskError(err), s.sweep())
	}
	if whole {
		s.memory.keep(f, list)
	}
	for _, b := range stored {
		s.behind(b, got)
	}
	return list, nil
}

// receive takes a body in. drop closes what came of it, also of an error.
func (s *Store) receive(ctx context.Context, body io.Reader, size int64, progress func(wire.UploadProgress)) (a *receive.Archive, drop func() error, err error) {
	drop = func() error { return nil }
	if size > s.o.Limits.Archive {
		return nil, drop, archiveTooLarge(s.o.Limits.Archive)
	}
	if free, err := s.disk.Free(); err != nil {
		return nil, drop, err
	} else if size > free {
		return nil, drop, imagecore.NewError(imagecore.ErrHost, "disk-full",
			fmt.Sprintf("the archive has %d bytes, the disk of the data folder %d left: free some space and try again", size, free))
	}
	a, drop, err = receive.Receive(ctx, io.LimitReader(body, s.o.Limits.Archive+1), receive.Options{
		Spool:    func() (receive.Target, error) { return s.disk.Spool() },
		Name:     func() string { return spoolPrefix + suffix() },
		Create:   func(name string) (receive.Target, error) { return s.disk.Create(name) },
		Open:     func(name string) (receive.ReadFile, error) { return s.openFile(name) },
		Remove:   s.disk.RemoveAll,
		Blob:     func(d digest.Digest) (receive.ReadFile, error) { return s.openFile(blobFile(d)) },
		Known:    s.memory.files(),
		Progress: meter(progress, wire.UploadReceiving, size),
	})
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = canceled(ctx)
	case err != nil:
	case a.Size() > s.o.Limits.Archive:
		err = archiveTooLarge(s.o.Limits.Archive)
	case size >= 0 && a.Size() != size:
		err = imagecore.NewError(imagecore.ErrInvalid, "upload-incomplete", fmt.Sprintf("the upload ended after %d of %d bytes", a.Size(), size))
	}
	return a, drop, err
}

func archiveTooLarge(limit int64) error {
	return imagecore.NewError(imagecore.ErrTooLarge, "archive-too-large",
		fmt.Sprintf("the archive is larger than %d bytes", limit), "limit", fmt.Sprint(limit))
}

// meter thins progress out to some 200 reports, the last one included.
func meter(progress func(wire.UploadProgress), phase string, total int64) func(done int64) {
	step := max(total/200, 1<<20)
	next := int64(0)
	return func(done int64) {
		if total >= 0 {
			done = min(done, total)
		}
		if done >= next || done == total {
			next = done + step
			progress(wire.UploadProgress{Phase: phase, Done: done, Total: total})
		}
	}
}

// copyAll copies until the end of src, asking ctx now and then.
func copyAll(ctx context.Context, dst io.Writer, src io.Reader, report func(done int64)) (int64, error) {
	buf := make([]byte, 256<<10)
	var done int64
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return done, err
			}
			done += int64(n)
			report(done)
		}
		if err == io.EOF {
			return done, nil
		}
		if err != nil {
			return done, err
		}
		if ctx.Err() != nil {
			return done, canceled(ctx)
		}
	}
}

// candidates are the images of an archive that can be stored. Images of which
// nothing is there but their place in an index (pruned platforms) are passed
// over; one that lacks only some of its layers is an error.
func candidates(report *imagecore.Report, want wanted) ([]int, error) {
	var out []int
	for i := range report.Images {
		img := &report.Images[i]
		absent := slices.IndexFunc(img.Layers, func(l imagecore.Layer) bool { return !l.Present })
		present := slices.ContainsFunc(img.Layers, func(l imagecore.Layer) bool { return l.Present })
		switch {
		case img.Config.Raw == "", !want.has(img.Platform), absent >= 0 && !present && len(report.Images) > 1:
			continue
		case absent >= 0:
			l := img.Layers[absent]
			return nil, imagecore.NewError(imagecore.ErrInvalid, "absent-layer",
				fmt.Sprintf("image %s: the archive names this layer (%s) but does not hold it", img.ID, l.DiffID),
				"image", img.ID.String(), "diffID", l.DiffID.String()).In(l.Index)
		}
		for _, l := range img.Layers {
			for _, e := range l.Entries {
				if e.Escapes {
					return nil, imagecore.NewError(imagecore.ErrInvalid, "escapes-root", "path leaves the root",
						"name", e.Name).In(l.Index).At(e.Name, e.Offset)
				}
			}
		}
		out = append(out, i)
	}
	if len(out) == 0 {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "no-image", strings.TrimSuffix("the archive holds no whole image of "+strings.Join(want.platforms, ", "), " of "))
	}
	return out, nil
}

// keep makes the blobs durable and then the images known. It returns what their
// layers are to be unpacked from, too.
func (s *Store) keep(ctx context.Context, from *receive.Archive, a Archive, want wanted, progress func(wire.UploadProgress)) ([]Loaded, []*built, error) {
	report := a.Report()
	list, err := candidates(report, want)
	if err != nil {
		return nil, nil, err
	}
	w := &writer{store: s, ctx: ctx, from: from}
	var total int64
	for _, i := range list {
		for _, l := range report.Images[i].Layers {
			total += l.Size
		}
	}
	w.report = meter(progress, wire.UploadStoring, total)

	made, stored := make([]*record, 0, len(list)), make([]*built, 0, len(list))
	for _, i := range list {
		b, err := w.image(a, report, i)
		if err != nil {
			return nil, nil, fmt.Errorf("image %s: %w", report.Images[i].ID, err)
		}
		b.Sample = want.sample
		made, stored = append(made, b.record), append(stored, b)
	}
	if err := w.flush(); err != nil {
		return nil, nil, err
	}
	w.report(total)
	refs := map[digest.Digest][]string{}
	for _, i := range list {
		img := &report.Images[i]
		refs[img.ID] = append(refs[img.ID], s.goodRefs(img.Refs)...)
	}
	out, err := s.loaded(made, refs)
	return out, stored, err
}

// loaded makes images known under the names that an archive gives them.
func (s *Store) loaded(made []*record, refs map[digest.Digest][]string) ([]Loaded, error) {
	stored, err := s.enter(made, refs)
	out := make([]Loaded, 0, len(stored))
	for i, img := range stored {
		out = append(out, Loaded{Image: img, Names: refs[made[i].ID]})
	}
	return out, err
}

// enter makes images known under their names in one transaction, and tells of
// those that are new.
func (s *Store) enter(made []*record, refs map[digest.Digest][]string) ([]wire.Image, error) {
	if out, err := s.entered(made, refs); out != nil || err != nil {
		return out, err
	}
	var fresh []digest.Digest
	var out []wire.Image
	err := s.change(func(tx *bolt.Tx) error {
		fresh, out = nil, nil
		for _, r := range made {
			old, err := getRecord(tx, r.ID)
			if err != nil {
				return err
			}
			if old == nil {
				fresh = append(fresh, r.ID)
				if err := putRecord(tx, r); err != nil {
					return err
				}
			}
			for _, name := range refs[r.ID] {
				b := tx.Bucket([]byte(bucketNames))
				if r.Sample && b.Get([]byte(name)) != nil {
					continue // the name is the user's by now
				}
				if err := b.Put([]byte(name), []byte(r.ID)); err != nil {
					return err
				}
			}
		}
		all := names(tx)
		for _, r := range made {
			stored, err := getRecord(tx, r.ID)
			if err != nil {
				return err
			}
			out = append(out, describe(stored, all[r.ID]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("enter the image into meta.db: %w", err)
	}
	for _, img := range s.count(out) {
		if slices.Contains(fresh, digest.Digest(img.ID)) {
			s.publish(wire.EventImageCreated, img.ID, img)
		}
	}
	return out, nil
}

// entered gives the images where all of them are there under all these names: then
// nothing is to be entered, and nobody has to wait for the disk. It is nil where
// something is not.
func (s *Store) entered(made []*record, refs map[digest.Digest][]string) (out []wire.Image, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		all := names(tx)
		var list []wire.Image
		for _, r := range made {
			stored, err := getRecord(tx, r.ID)
			if stored == nil || err != nil {
				return err
			}
			for _, name := range refs[r.ID] {
				if !slices.Contains(all[r.ID], name) {
					return nil
				}
			}
			list = append(list, describe(stored, all[r.ID]))
		}
		out = list
		return nil
	})
	return s.count(out), err
}

// goodRefs brings references into the form "name:tag" that Docker shows.
func (s *Store) goodRefs(refs []string) []string {
	var out []string
	for _, ref := range refs {
		name, err := Normalize(ref)
		if err != nil {
			s.o.Log.Warn("image stored without this name", "name", ref, "error", err)
			continue
		}
		out = append(out, name)
	}
	return out
}

// Normalize brings a reference into Docker's short form with its tag:
// "docker.io/library/alpine" becomes "alpine:latest".
func Normalize(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err == nil {
		if tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged); ok {
			return reference.FamiliarString(tagged), nil
		}
		err = errors.New("a name with a digest can't be given")
	}
	e := imagecore.NewError(imagecore.ErrInvalid, "bad-reference", fmt.Sprintf("%q is no image name such as alpine:3.20", ref), "ref", ref)
	e.Err = err
	return "", e
}

// treeOf merges an image's layers as containers will see them.
func treeOf(img *imagecore.Image) (*tree.Tree, error) { return tree.Build(img.Layers, tree.Spec) }

// oneReport is the report of one image alone.
func oneReport(report *imagecore.Report, i int, warnings []imagecore.Warning) (json.RawMessage, error) {
	return json.Marshal(imagecore.Report{Source: report.Source, Images: report.Images[i : i+1], Warnings: warnings})
}
