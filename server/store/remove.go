//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Tag gives an image one more name. The name leaves the image that had it.
func (s *Store) Tag(ctx context.Context, ref, name string) (wire.Image, error) {
	name, err := Normalize(name)
	if err != nil {
		return wire.Image{}, err
	}
	give, err := s.take(ctx)
	if err != nil {
		return wire.Image{}, err
	}
	defer give()
	var out wire.Image
	err = s.change(func(tx *bolt.Tx) error {
		r, _, err := resolve(tx, ref)
		if err != nil {
			return err
		}
		if err := tx.Bucket([]byte(bucketNames)).Put([]byte(name), []byte(r.ID)); err != nil {
			return err
		}
		out = describe(r, names(tx)[r.ID])
		return nil
	})
	if err != nil {
		return wire.Image{}, err
	}
	out.Containers = s.users(digest.Digest(out.ID))
	s.publish(wire.EventImageTagged, out.ID, wire.NamedImage{Image: out, Ref: name})
	return out, nil
}

// Untag takes a name away from its image and leaves the image, be it without a
// name.
func (s *Store) Untag(ctx context.Context, name string) (wire.Image, error) {
	name, err := Normalize(name)
	if err != nil {
		return wire.Image{}, err
	}
	give, err := s.take(ctx)
	if err != nil {
		return wire.Image{}, err
	}
	defer give()
	return s.untag(name)
}

// untag does it. The caller has the turn.
func (s *Store) untag(name string) (wire.Image, error) {
	var out wire.Image
	err := s.change(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketNames))
		id := b.Get([]byte(name))
		if id == nil {
			return notFound(name)
		}
		r, err := getRecord(tx, digest.Digest(id))
		if err != nil || r == nil {
			return errors.Join(err, b.Delete([]byte(name)))
		}
		if err := b.Delete([]byte(name)); err != nil {
			return err
		}
		out = describe(r, names(tx)[r.ID])
		return nil
	})
	if err != nil {
		return wire.Image{}, err
	}
	out.Containers = s.users(digest.Digest(out.ID))
	s.publish(wire.EventImageUntagged, out.ID, wire.NamedImage{Image: out, Ref: name})
	return out, nil
}

// Remove takes a name away from its image. With its last name the image goes
// too; given an id, it goes with all its names. An image that containers are
// made of, or that is being read, stays: that is a conflict.
func (s *Store) Remove(ctx context.Context, ref string) error {
	give, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	id, untag, err := s.begin(ref)
	if err != nil {
		return fmt.Errorf("remove image %s: %w", ref, err)
	}
	defer s.setGoing("")
	if untag != "" {
		_, err := s.untag(untag)
		return err
	}
	s.folders.Stop(id)
	var moved []string
	err = s.change(func(tx *bolt.Tx) error {
		for _, name := range names(tx)[id] {
			if err := tx.Bucket([]byte(bucketNames)).Delete([]byte(name)); err != nil {
				return err
			}
		}
		if err := tx.Bucket([]byte(bucketImages)).Delete([]byte(id)); err != nil {
			return err
		}
		var err error
		moved, err = s.collect(tx)
		return err
	})
	if err != nil {
		// The transaction did not take place: what it moved comes back.
		return errors.Join(fmt.Errorf("remove image %s: %w", ref, diskError(err)), s.db.View(s.restore))
	}
	s.forget(id)
	s.publish(wire.EventImageDeleted, id.String(), nil)
	s.discard(moved)
	return nil
}

// begin decides what removing ref means: only the name untag, or the whole
// image, which nobody can begin to hold from then on.
func (s *Store) begin(ref string) (id digest.Digest, untag string, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		r, name, err := resolve(tx, ref)
		if err != nil {
			return err
		}
		id = r.ID
		if name != "" && len(names(tx)[id]) > 1 {
			untag = name
		}
		return nil
	})
	if err != nil || untag != "" {
		return id, untag, err
	}
	s.mu.Lock()
	held := s.held[id] > 0
	if !held {
		s.going = id
	}
	s.mu.Unlock()
	if held {
		return "", "", imagecore.NewError(imagecore.ErrConflict, "image-busy", "the image is being read: try again when that is done", "image", id.String())
	}
	// Asked after going is set and without any lock: who makes a container
	// holds the image until the container counts.
	if n := s.users(id); n > 0 {
		s.setGoing("")
		return "", "", imagecore.NewError(imagecore.ErrConflict, "image-in-use",
			fmt.Sprintf("%d containers are made of this image: remove them first", n), "image", id.String(), "containers", fmt.Sprint(n))
	}
	return id, "", nil
}

func (s *Store) setGoing(id digest.Digest) {
	s.mu.Lock()
	s.going = id
	s.mu.Unlock()
}

// What holds that which images refer to, and how trash/ remembers it.
var homes = map[string]string{"blobs": "blobs/sha256", "layers": "layers"} //nolint:gochecknoglobals // a constant in all but name

// referenced lists the files that the images of meta.db need. Folders of layers
// may be missing among them: they are made anew.
func referenced(tx *bolt.Tx) (map[string]bool, error) {
	all, err := records(tx)
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, r := range all {
		for _, d := range r.blobs() {
			keep[blobFile(d)] = true
		}
		for _, l := range r.Layers {
			keep[layerDir(l.ChainID)] = true
		}
		if top := r.top(); top != "" {
			keep[indexFile(top)] = true
		}
	}
	return keep, nil
}

// collect moves what no image needs to trash/ and returns its names there. The
// caller has the turn, so that nobody is writing.
func (s *Store) collect(tx *bolt.Tx) (moved []string, err error) {
	keep, err := referenced(tx)
	if err != nil {
		return nil, err
	}
	for kind, dir := range homes {
		list, err := s.list(dir)
		if err != nil {
			return moved, err
		}
		for _, name := range list {
			from := path.Join(dir, name)
			if keep[from] || strings.HasPrefix(name, snapshot.PartialPrefix) {
				continue // the latter is being made, or goes with the next start
			}
			to := path.Join("trash", kind+"."+suffix()+"."+name)
			if err := s.disk.Rename(from, to); err != nil {
				return moved, fmt.Errorf("move %s to trash: %w", from, err)
			}
			moved = append(moved, to)
		}
	}
	return moved, nil
}

// restore brings back from trash/ what images need, after a removal that did
// not become final.
func (s *Store) restore(tx *bolt.Tx) error {
	keep, err := referenced(tx)
	if err != nil {
		return err
	}
	list, err := s.list("trash")
	if err != nil {
		return err
	}
	for _, name := range list {
		home := homeOf(name)
		if home == "" || !keep[home] {
			continue
		}
		if there, err := exists(s.root, home); err != nil {
			return err
		} else if there {
			continue
		}
		if err := s.disk.Rename(path.Join("trash", name), home); err != nil {
			return fmt.Errorf("bring %s back from trash: %w", home, err)
		}
		s.o.Log.Info("brought back from trash: an image needs it", "file", home)
	}
	return nil
}

// homeOf says where a file of trash/ came from, "" for what nobody knows.
func homeOf(name string) string {
	kind, rest, _ := strings.Cut(name, ".")
	_, file, ok := strings.Cut(rest, ".")
	if dir := homes[kind]; ok && dir != "" {
		return path.Join(dir, file)
	}
	return ""
}

// discard deletes files of trash/ in the background; Close waits for it.
func (s *Store) discard(moved []string) {
	s.sweeper.Go(func() {
		for _, name := range moved {
			if err := s.disk.RemoveAll(name); err != nil {
				s.o.Log.Error("not deleted from trash: the next start tries again", "file", name, "error", err)
			}
		}
	})
}

// sweep deletes what no image needs. The caller has the turn.
func (s *Store) sweep() error {
	var moved []string
	err := s.db.View(func(tx *bolt.Tx) (err error) {
		moved, err = s.collect(tx)
		return err
	})
	s.discard(moved)
	return err
}

func (s *Store) list(dir string) ([]string, error) {
	f, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
