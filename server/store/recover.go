//go:build linux

package store

import (
	"context"
	"path"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// recover brings the data folder in line with meta.db after a crash at any
// moment, and says in the log what it did:
//
//	trash/ holds what an image needs   a removal did not become final: put back
//	trash/ holds else what was ours    a removal was not finished: delete
//	a file that no image needs         an import or commit was not finished: delete
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
			if ok, err := exists(s.root, name); err != nil {
				return err
			} else if !ok {
				missing = append(missing, name)
			}
		}
		moved, err := s.collect(tx)
		if len(moved) > 0 {
			s.o.Log.Info("cleaned up: an operation was cut short by the end of the server", "files", len(moved))
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range missing {
		s.o.Log.Error("an image lacks a file: remove the image and load it again", "file", name)
	}
	if err := s.deleteAll("trash", func(name string) bool { return homeOf(name) != "" }); err != nil {
		return err
	}
	return s.deleteAll(".", func(name string) bool {
		return strings.HasPrefix(name, "spool-") || strings.HasPrefix(name, partial)
	})
}

func (s *Store) deleteAll(dir string, match func(name string) bool) error {
	list, err := s.list(dir)
	if err != nil {
		return err
	}
	for _, name := range list {
		if !match(name) {
			continue
		}
		if err := s.disk.RemoveAll(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
