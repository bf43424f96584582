package tree

import "github.com/layerlab/layerlab/imagecore"

// ContentSizes returns for each layer how many bytes the files take that it
// leaves behind when unpacked: each file once, however many names it has, with
// its holes, and of a symbolic link its target. Folders and devices take none.
// It is what Docker's overlay2 driver counts as a layer's size, of which `docker
// images` and `docker history` show SIZE.
func (t *Tree) ContentSizes() []int64 {
	sizes := make([]int64, len(t.layers))
	counted := make([]bool, len(t.inodes))
	for i := range t.versions {
		v := &t.versions[i]
		if v.kind == 0 {
			continue
		}
		if v.inode >= 0 {
			if counted[v.inode] {
				continue
			}
			counted[v.inode] = true
		}
		switch v.kind {
		case imagecore.File:
			sizes[v.layer] += t.size(v)
		case imagecore.Symlink:
			sizes[v.layer] += int64(len(t.at(v.home).Link))
		}
	}
	return sizes
}
