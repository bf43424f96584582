//go:build linux

package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

const (
	layoutFile = v1.ImageLayoutFile
	layoutText = `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}` + "\n"
)

// derive makes index.json of what meta.db knows: one descriptor for each name,
// one without annotations for a dangling image, sorted by name and id.
func derive(tx *bolt.Tx) ([]byte, error) {
	all, err := records(tx)
	if err != nil {
		return nil, err
	}
	refs := names(tx)
	list := []v1.Descriptor{}
	for _, r := range all {
		d := r.Manifest
		if os, rest, ok := strings.Cut(r.Platform, "/"); ok {
			arch, variant, _ := strings.Cut(rest, "/")
			d.Platform = &v1.Platform{OS: os, Architecture: arch, Variant: variant}
		}
		if len(refs[r.ID]) == 0 {
			list = append(list, d)
		}
		for _, name := range refs[r.ID] {
			d.Annotations = map[string]string{v1.AnnotationRefName: name}
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Annotations[v1.AnnotationRefName], b.Annotations[v1.AnnotationRefName])
	})
	out, err := json.MarshalIndent(v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageIndex,
		Manifests: list,
	}, "", "  ")
	return append(out, '\n'), err
}

// change runs fn in a write transaction that changes which images there are,
// and lets index.json follow. Once the transaction is through the change
// stands, whatever becomes of index.json: the next start mends that.
func (s *Store) change(fn func(tx *bolt.Tx) error) error {
	var text []byte
	err := s.update(func(tx *bolt.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		var err error
		if text, err = derive(tx); err != nil {
			return err
		}
		state := tx.Bucket([]byte(bucketState))
		if err := state.Put([]byte(keyBefore), bytes.Clone(state.Get([]byte(keyIndex)))); err != nil {
			return err
		}
		return state.Put([]byte(keyIndex), []byte(digest.FromBytes(text)))
	})
	if err != nil {
		return err
	}
	if err := replace(s.disk, ".", v1.ImageIndexFile, text); err != nil {
		s.o.Log.Error("index.json is behind meta.db until the next change or start", "error", err)
	}
	return nil
}

// checkIndex compares index.json with what meta.db says and writes it anew
// where they differ. What another tool put there is reported, not imported.
func (s *Store) checkIndex() error {
	var want []byte
	var before digest.Digest
	err := s.db.View(func(tx *bolt.Tx) (err error) {
		before = digest.Digest(tx.Bucket([]byte(bucketState)).Get([]byte(keyBefore)))
		want, err = derive(tx)
		return err
	})
	if err != nil {
		return err
	}
	have, err := s.readFile(v1.ImageIndexFile)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case len(have) == 0:
	case digest.FromBytes(have) == before:
		s.o.Log.Info("index.json was one change behind: brought up to date")
	default:
		s.o.Log.Warn("index.json is not what meta.db says: written anew; images that another tool added there are not imported", "foreign", s.foreign(have, want))
	}
	return replace(s.disk, ".", v1.ImageIndexFile, want)
}

// foreign names the manifests of have that are not in want.
func (s *Store) foreign(have, want []byte) []string {
	var h, w v1.Index
	if json.Unmarshal(have, &h) != nil || json.Unmarshal(want, &w) != nil {
		return nil
	}
	var out []string
	for _, m := range h.Manifests {
		if !slices.ContainsFunc(w.Manifests, func(d v1.Descriptor) bool { return d.Digest == m.Digest }) {
			out = append(out, m.Digest.String())
		}
	}
	return out
}
