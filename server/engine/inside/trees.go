package inside

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/tree"
)

// keepTrees is the number of merged trees kept in memory: about 700 bytes an
// entry each. The store keeps some too, together with what it scanned, and
// forgets them by its own needs; a container's changes are read every second.
const keepTrees = 3

// Merger gives the merged tree of an image's layers.
type Merger interface {
	Tree(ctx context.Context, id digest.Digest) (*tree.Tree, error)
}

// Trees keeps the merged trees that were asked for last.
type Trees struct {
	images Merger

	mu   sync.Mutex
	kept []keptTree // the one used last stands last
}

type keptTree struct {
	image digest.Digest
	tree  *tree.Tree
}

// NewTrees keeps none yet.
func NewTrees(images Merger) *Trees { return &Trees{images: images} }

// Get merges an image that is not kept. Others need not wait for it: a large
// one takes seconds. Two who ask for the same one at once get the store's.
func (t *Trees) Get(ctx context.Context, image digest.Digest) (*tree.Tree, error) {
	if made := t.find(image); made != nil {
		return made, nil
	}
	made, err := t.images.Tree(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("merged tree of image %s: %w", image, err)
	}
	if other := t.find(image); other != nil {
		return other, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, keptTree{image: image, tree: made})
	if len(t.kept) > keepTrees {
		t.kept = t.kept[1:]
	}
	return made, nil
}

// find returns a kept tree, or nil.
func (t *Trees) find(image digest.Digest) *tree.Tree {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range t.kept {
		if k.image == image {
			t.kept = append(append(t.kept[:i:i], t.kept[i+1:]...), k)
			return k.tree
		}
	}
	return nil
}
