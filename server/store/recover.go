//go:build linux

package store

import (
	"context"
	"path"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/layerlab/layerlab/runtime/snapshot"
)

// recover brings the data folder in line with meta.db after a crash at any
// moment, and says in the log what it did:
//
//	trash/ holds what an image needs   a removal did not become final: put back
//	trash/ holds else what was ours    a removal was not finished: delete
//	a file that no image needs         an import or commit was not finished: delete
//	a folder of a layer, half made     delete
//	an image lacks a folder of a layer Unpack makes it when it is asked for
//	an image lacks a file              no crash does that: say so, keep the image
func (s *Store) recover(context.Context) error {
	var missing []string
	err := s.db.View(func(tx *bolt.Tx) error {
		if err := s.restore(tx); err != nil {
			return err
		}
		keep, err := referenced(tx)
		if err != nil {
			return err
		}
		for name := range keep {
			if strings.HasPrefix(name, "layers/") && path.Ext(name) == "" {
				continue
			}
			if ok, err := exists(s.root, name); err != nil {
				return err
			} else if !ok {
				missing = append(missing, name)
			}
		}
		_, err = s.collect(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range missing {
		s.o.Log.Error("an image lacks a file: remove the image and load it again", "file", name)
	}
	gone, err := s.deleteAll("trash", func(name string) string { return homeOf(name) })
	if err != nil {
		return err
	}
	half, err := s.deleteAll("layers", func(name string) string {
		if strings.HasPrefix(name, snapshot.PartialPrefix) {
			return "layers/" + name
		}
		return ""
	})
	if gone = append(gone, half...); err != nil {
		return err
	}
	more, err := s.deleteAll(".", func(name string) string {
		if strings.HasPrefix(name, spoolPrefix) || strings.HasPrefix(name, partial) {
			return name
		}
		return ""
	})
	if gone = append(gone, more...); len(gone) > 0 {
		shown := gone[:min(len(gone), 20)]
		s.o.Log.Info("cleaned up what an operation left that the end of the server cut short", "files", len(gone), "names", shown)
	}
	return err
}

// deleteAll deletes what ours says is ours in dir, and returns the names that
// it gives them.
func (s *Store) deleteAll(dir string, ours func(name string) string) (gone []string, err error) {
	list, err := s.list(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	for _, name := range list {
		was := ours(name)
		if was == "" {
			continue
		}
		if err := s.disk.RemoveAll(path.Join(dir, name)); err != nil {
			return gone, err
		}
		gone = append(gone, was)
	}
	return gone, nil
}
