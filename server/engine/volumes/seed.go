//go:build linux

package volumes

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// Seed fills an empty volume with what an image has at a path: the folder's own
// owner and mode too. A volume that holds anything, and a path that the image
// lacks or that is no folder, are left alone. content gives the uncompressed
// tar of a layer.
func (s *Store) Seed(ctx context.Context, name string, view *tree.View, target string, content func(layer int) (io.ReaderAt, error)) error {
	n, err := view.Resolve(strings.TrimPrefix(target, "/"))
	if err != nil || n.Kind() != imagecore.Dir {
		return nil
	}
	s.mu.Lock()
	v := s.volumes[name]
	s.mu.Unlock()
	if v == nil {
		return notFound(name)
	}
	v.seed.Lock()
	defer v.seed.Unlock()
	entries, err := os.ReadDir(s.Path(name))
	if err != nil || len(entries) > 0 {
		return err
	}
	if err := s.mark(v, true); err != nil {
		return err
	}
	err = snapshot.Fill(ctx, s.Path(name), view.Tree(), Subtree(n), content, snapshot.UnpackOptions{Shift: v.rec.Shift})
	if err != nil {
		// Half of a folder would pass for all of it.
		if again := s.reseed(v); again != nil {
			s.o.Log.Error("volume is half seeded", "volume", name, "err", again)
		}
		return fmt.Errorf("volume %s from the image's %s: %w", name, target, err)
	}
	return s.mark(v, false)
}

func (s *Store) mark(v *volume, seeding bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := v.rec
	next.Seeding = seeding
	if err := s.put(next); err != nil {
		return err
	}
	v.rec = next
	return nil
}

// Subtree lists a folder of a merged tree with all beneath it, as snapshot.Fill
// takes it: folders before what they hold, paths from that folder on, further
// names of a file as hard links. Devices 0:0, which would be whiteouts to
// overlayfs, are left out.
func Subtree(root tree.Node) []tree.LayerChange {
	var list []tree.LayerChange
	first := map[int]string{}
	var add func(n tree.Node, path string)
	add = func(n tree.Node, path string) {
		c := tree.LayerChange{Path: path, Kind: n.Kind(), Attr: n.Attr(), Size: n.Size(), Content: n.Content()}
		c.Xattrs = withoutOverlay(c.Xattrs)
		if c.Kind == imagecore.Char && c.Major == 0 && c.Minor == 0 {
			return
		}
		if c.Kind == imagecore.Symlink {
			c.Link = n.Target()
		}
		if links, _ := n.Links(); links > 1 && c.Kind != imagecore.Dir {
			if to, made := first[n.Inode()]; made {
				c = tree.LayerChange{Path: path, Kind: imagecore.Hardlink, Link: to}
			} else {
				first[n.Inode()] = path
			}
		}
		list = append(list, c)
		if c.Kind != imagecore.Dir {
			return
		}
		for child := range n.Children() {
			name := child.Name()
			if path != "" {
				name = path + "/" + name
			}
			add(child, name)
		}
	}
	add(root, "")
	return list
}

func withoutOverlay(list []imagecore.Xattr) []imagecore.Xattr {
	var kept []imagecore.Xattr
	for _, x := range list {
		if !strings.HasPrefix(x.Key, "trusted.overlay.") && !strings.HasPrefix(x.Key, "user.overlay.") {
			kept = append(kept, x)
		}
	}
	return kept
}

// diskBytes adds up the blocks of the files beneath a folder.
func diskBytes(ctx context.Context, dir string) (int64, error) {
	type inode struct{ dev, ino uint64 }
	seen, total := map[inode]bool{}, int64(0)
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // a container that runs removed it
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // removed meanwhile
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || d.IsDir() || seen[inode{uint64(st.Dev), st.Ino}] {
			return nil
		}
		seen[inode{uint64(st.Dev), st.Ino}] = true
		total += st.Blocks * 512
		return nil
	})
	return total, err
}
