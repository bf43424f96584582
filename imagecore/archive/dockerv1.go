package archive

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/opencontainers/go-digest"
)

// v1Image is what is needed of an image's JSON (Docker's image specification
// v1.0, "Image JSON Description"). Each image is one layer over its parent.
type v1Image struct {
	Parent          string    `json:"parent"`
	Checksum        string    `json:"checksum"`
	Created         time.Time `json:"created"`
	Author          string    `json:"author"`
	Comment         string    `json:"comment"`
	DockerVersion   string    `json:"docker_version"`
	ContainerConfig struct {
		Cmd argv
	} `json:"container_config"`

	raw []byte
}

// dockerV1 reads an archive of `docker save` before 1.10: folders
// ID/{VERSION,json,layer.tar}, and the names of the top ones in repositories.
// The images had neither configs nor diffIDs of their own then. Both are made
// the way Docker made them when it loaded such archives later, so that the
// image's id is the one that `docker load` shows; for that all layers are read.
func (r *reader) dockerV1() error {
	tops, refs, ids, err := r.v1Tops()
	if err != nil {
		return err
	}
	stacks := make([][]v1Layer, len(tops))
	all := map[*blob]digest.Digest{}
	for i, top := range tops {
		if stacks[i], err = r.v1Stack(top); err != nil {
			return err
		}
		for _, l := range stacks[i] {
			all[l.blob] = ""
			delete(ids, l.id)
		}
	}
	// An image is a top, or some top's ancestor, unless its parents lead back to it.
	if len(ids) > 0 {
		return parentLoop(slices.Min(slices.Collect(maps.Keys(ids))))
	}
	if err := r.hashBlobs(all); err != nil {
		return err
	}
	for i, top := range tops {
		img, err := r.v1Image(top, stacks[i], all)
		if err != nil {
			return err
		}
		img.addRefs(refs[top])
		if err := r.add(img); err != nil {
			return err
		}
	}
	return nil
}

// v1Tops returns the ids of the images to read and their names: those that
// repositories names, which may be others' parents, and those that are nobody's
// parent, as "docker save ID" leaves them. ids are those of all images, empty in
// a folder, which is not listed.
func (r *reader) v1Tops() (tops []string, refs map[string][]string, ids map[string]bool, err error) {
	const name = "repositories"
	refs = map[string][]string{}
	if _, ok, err := r.files.Lookup(name); err != nil {
		return nil, nil, nil, err
	} else if ok {
		raw, err := r.document(name, "the list of names")
		if err != nil {
			return nil, nil, nil, err
		}
		var repositories map[string]map[string]string
		if err := r.decode(name, raw, &repositories); err != nil {
			return nil, nil, nil, err
		}
		for repository, tags := range repositories {
			for tag, id := range tags {
				if id == "" {
					return nil, nil, nil, imagecore.NewError(imagecore.ErrInvalid, "missing-file",
						"the name "+strconv.Quote(repository+":"+tag)+" is that of no image", "path", "").At(name, -1)
				}
				refs[id] = append(refs[id], repository+":"+tag)
			}
		}
	}
	ids, heads, err := r.v1Heads(len(refs) > 0)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, id := range heads {
		if _, named := refs[id]; !named {
			refs[id] = nil
		}
	}
	tops = make([]string, 0, len(refs))
	for id := range refs {
		sort.Strings(refs[id])
		tops = append(tops, id)
	}
	slices.SortFunc(tops, func(i, j string) int { // those with names first, by their names
		a, b := refs[i], refs[j]
		if len(a) == 0 || len(b) == 0 {
			return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(i, j))
		}
		return strings.Compare(a[0], b[0])
	})
	if n, l := len(tops), r.o.Limits.Images; n > l {
		return nil, nil, nil, tooLarge("too-many-images", "more images than the limit", int64(n), int64(l))
	}
	return tops, refs, ids, nil
}

// v1Heads returns the ids of all images, and those that are nobody's parent.
func (r *reader) v1Heads(named bool) (all map[string]bool, heads []string, err error) {
	t, ok := r.files.(*outer.Tar)
	if !ok {
		if named {
			return nil, nil, nil
		}
		return nil, nil, missing("repositories", "the list of names")
	}
	all = map[string]bool{}
	parents := map[string]bool{}
	for i := range t.Entries {
		id, base, _ := strings.Cut(t.Entries[i].Path, "/")
		if base != "json" || !t.Last(i) {
			continue
		}
		if n, l := len(all), r.o.Limits.Images*r.o.Limits.Layers; n >= l {
			return nil, nil, tooLarge("too-many-images", "more images than the limit", int64(n), int64(l))
		}
		img, err := r.v1Document(id)
		if err != nil {
			return nil, nil, err
		}
		all[id] = true
		parents[img.Parent] = true
	}
	for id := range all {
		if !parents[id] {
			heads = append(heads, id)
		}
	}
	return all, heads, nil
}

func parentLoop(id string) error {
	return imagecore.NewError(imagecore.ErrInvalid, "parent-loop", "an image is its own ancestor", "id", id).At(id+"/json", -1)
}

func (r *reader) v1Document(id string) (*v1Image, error) {
	path := id + "/json"
	raw, err := r.document(path, "the image "+strconv.Quote(id))
	if err != nil {
		return nil, err
	}
	img := &v1Image{raw: raw}
	return img, r.decode(path, raw, img)
}

// v1Layer is one image of a stack.
type v1Layer struct {
	*v1Image
	id   string
	blob *blob
}

// v1Stack returns the stack below an image, the ancestor without parent first.
func (r *reader) v1Stack(top string) ([]v1Layer, error) {
	var stack []v1Layer
	seen := map[string]bool{}
	for id := top; id != ""; {
		if seen[id] {
			return nil, parentLoop(id)
		}
		seen[id] = true
		if n, l := len(stack)+1, r.o.Limits.Layers; n > l {
			return nil, tooLarge("too-many-layers", "more layers than the limit", int64(n), int64(l)).At(id+"/json", -1)
		}
		img, err := r.v1Document(id)
		if err != nil {
			return nil, err
		}
		f, ok, err := r.files.Lookup(id + "/layer.tar")
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, missing(id+"/layer.tar", "the layer")
		}
		stack = append(stack, v1Layer{img, id, r.blob(f)})
		id = img.Parent
	}
	for i, j := 0, len(stack)-1; i < j; i, j = i+1, j-1 {
		stack[i], stack[j] = stack[j], stack[i]
	}
	return stack, nil
}

// v1Image makes an image of a stack.
func (r *reader) v1Image(top string, stack []v1Layer, diffIDs map[*blob]digest.Digest) (*image, error) {
	layers := make([]imagecore.Layer, len(stack))
	blobs := make([]*blob, len(stack))
	for i, l := range stack {
		blobs[i] = l.blob
	}
	path, document := top+"/json", stack[len(stack)-1].raw
	raw, err := v1Loaded(path, stack, diffIDs)
	if err != nil {
		return nil, err
	}
	img, err := r.newImage(path, raw, layers, blobs, nil)
	if err != nil {
		return nil, err
	}
	img.Manifest = imagecore.Blob{Size: int64(len(document)), Raw: string(document)}
	for _, l := range stack {
		img.V1 = append(img.V1, imagecore.V1{ID: l.id, Raw: string(l.raw), Checksum: l.Checksum})
	}
	return img, nil
}

// v1Beside reads the images of version 1 that Docker 1.10–24 wrote beside
// manifest.json for older readers. They count for nothing: an archive without
// them, or with half of them, has none.
func (r *reader) v1Beside(layers []string) []imagecore.V1 {
	all := make([]imagecore.V1, len(layers))
	for i, name := range layers {
		id, ok := strings.CutSuffix(name, "/layer.tar")
		if !ok {
			return nil
		}
		img, err := r.v1Document(id)
		if err != nil {
			return nil
		}
		all[i] = imagecore.V1{ID: id, Raw: string(img.raw), Checksum: img.Checksum}
	}
	return all
}

// hashBlobs computes the diffIDs of blobs, in the order in which they lie in
// the archive. One that is compressed is read in one pass for all of them.
func (r *reader) hashBlobs(all map[*blob]digest.Digest) error {
	order := make([]*blob, 0, len(all))
	for b := range all {
		order = append(order, b)
	}
	sort.Slice(order, func(i, j int) bool { return order[i].file.Offset < order[j].file.Offset })
	files := make([]outer.File, len(order))
	for i, b := range order {
		files[i] = b.file
	}
	i := 0
	return r.files.Each(files, func(stored io.Reader) error {
		b := order[i]
		i++
		tar, _, err := codec.NewReader(stored, r.o.Limits)
		if err != nil {
			return err
		}
		defer tar.Close()
		hash := digest.SHA256.Digester()
		if err := r.drain(&counted{r: tar, hash: hash.Hash()}); err != nil {
			return err
		}
		all[b] = hash.Digest()
		return nil
	})
}
