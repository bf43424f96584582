// Package tree merges the layers of an image and remembers how: one structure
// answers what is there after any number of layers, who put it there, what hid
// it, and what each layer's folder must hold for the kernel to show the same.
//
//	[]imagecore.Layer → Build → *Tree → View, Versions, Changeset → diff, index, pack
//
// A Tree is a trie of paths. Each path has its versions, a version holds from
// one layer to the next that ends it, and carries the reason why it ended.
// Merging is linear in entries: a whiteout closes the versions beneath it and
// takes them out of the list of what is open, so that nothing is closed twice.
//
//	t, err := tree.Build(layers, tree.Spec)
//	for n := range t.Walk(2) { // after the first two layers
//		fmt.Println(n.Path(), n.Layer())
//	}
//
// The rules are image-spec v1.1 layer.md "Applying Changesets"; where it is
// silent, what containerd's overlayfs snapshotter does. An engine lens shows
// the tree that one engine makes instead, its refusals included.
//
// A Tree is never changed after Build; all its methods may be called
// concurrently. It keeps the entries of the layers it was built from.
package tree
