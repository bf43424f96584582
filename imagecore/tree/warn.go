package tree

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// warn notes something odd about an entry of the layer at hand. lenses are
// those that show another tree than the specification's; engine lenses
// themselves warn of nothing.
func (b *builder) warn(code string, entry int32, message, path string, lenses ...Lens) {
	b.doubt = b.doubt || len(lenses) > 0
	b.counts[code]++
	if b.counts[code] > maxWarnings {
		return
	}
	e := &b.entries[entry]
	w := imagecore.Warning{
		Code: code, Args: imagecore.Args("path", path), Message: message,
		Layer: int(b.layer), Entry: e.Name, Offset: e.Offset,
	}
	if len(lenses) > 0 {
		names := make([]string, len(lenses))
		for i, l := range lenses {
			names[i] = string(l)
		}
		w.Args["lenses"] = strings.Join(names, " ")
	}
	b.warnings = append(b.warnings, w)
}

// refusal is the error of an engine lens: what the engine says.
func (b *builder) refusal(entry int32, message string) error {
	e := &b.entries[entry]
	return imagecore.NewError(imagecore.ErrInvalid, "engine-refuses",
		string(b.lens)+" refuses this layer: "+message,
		"lens", string(b.lens), "reason", message).At(e.Name, e.Offset).In(int(b.layer))
}

// leaveOut leaves out an entry that every engine refuses.
func (b *builder) leaveOut(entry int32, code, message string) {
	b.warn(code, entry, message+": left out", b.entries[entry].Path, DockerOverlay2, ContainerdOverlayfs, Umoci)
}

// note remembers a folder of the layers below that names of this layer pass
// through without it being listed: Docker's overlay2 makes it anew, 0755
// root:root.
func (b *builder) note(n, v, entry int32) {
	if b.nodes[n].passed == b.layer+1 {
		return
	}
	e := b.at(b.versions[v].home)
	if e == nil || e.Mode == 0o755 && e.UID == 0 && e.GID == 0 && len(e.Xattrs) == 0 {
		return
	}
	b.doubt = b.doubt || len(e.Xattrs) > 0 // containerd keeps them, even if the folder is listed later
	b.parents = append(b.parents, passed{node: n, entry: entry})
}

// noteParents warns of the folders noted that no entry of the layer came to
// list after all, and of those that only a whiteout made.
func (b *builder) noteParents() {
	for _, p := range b.parents {
		v := b.open(p.node)
		if v < 0 || b.versions[v].kind != imagecore.Dir {
			continue
		}
		ver := &b.versions[v]
		listed := b.own(v) && ver.flags&flagImplicit == 0
		switch {
		case listed:
		case p.entry < 0:
			if ver.home.entry < 0 && b.bare(p.node) {
				b.warn("whiteout-parent", -1-p.entry, "the whiteout stands in a folder that is not there: an empty one is made", b.path(p.node), Umoci)
			}
		case ver.home.entry >= 0: // else it is made anew by the specification too
			b.warn("implicit-parent", p.entry, "the layer does not list this name's folder: it keeps the mode and owner of the layers below", b.path(p.node), DockerOverlay2)
		}
	}
}

// bare says whether a folder holds nothing but whiteouts.
func (b *builder) bare(n int32) bool {
	for c := b.nodes[n].child; c >= 0; c = b.nodes[c].next {
		if b.now(c) >= 0 {
			return false
		}
	}
	return true
}

// path returns the path of a node, "" for the root.
func (t *Tree) path(id int32) string {
	if id == 0 {
		return ""
	}
	size := -1
	for n := id; n != 0; n = t.nodes[n].parent {
		size += len(t.nodes[n].name) + 1
	}
	buf := make([]byte, size)
	for n := id; n != 0; n = t.nodes[n].parent {
		name := t.nodes[n].name
		size -= len(name)
		copy(buf[size:], name)
		if size > 0 {
			size--
			buf[size] = '/'
		}
	}
	return string(buf)
}
