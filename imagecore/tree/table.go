package tree

import "hash/maphash"

// table finds the child of a folder by name while a tree is built. It holds
// node numbers only, 8 bytes a node at most where a Go map with the same keys
// takes about 60; names are compared in the nodes themselves. The seed is
// random, so that no archive can be made of colliding names; the result does
// not depend on it.
type table struct {
	seed  maphash.Seed
	slots []int32 // node number + 1, 0 is free; open addressing, linear probing
	used  int
}

func newTable(n int) *table {
	size := 64
	for size < n*2 {
		size *= 2
	}
	return &table{seed: maphash.MakeSeed(), slots: make([]int32, size)}
}

func (h *table) slot(parent int32, name string) int {
	x := maphash.String(h.seed, name) ^ uint64(uint32(parent))*0x9E3779B97F4A7C15
	x ^= x >> 32
	x *= 0xD6E8FEB86659FD93
	return int((x ^ x>>32) & uint64(len(h.slots)-1))
}

// find returns the node, or -1 and the slot where it belongs.
func (h *table) find(nodes []node, parent int32, name string) (id int32, slot int) {
	mask := len(h.slots) - 1
	for i := h.slot(parent, name); ; i = (i + 1) & mask {
		s := h.slots[i]
		if s == 0 {
			return -1, i
		}
		if n := &nodes[s-1]; n.parent == parent && n.name == name {
			return s - 1, i
		}
	}
}

// insert puts a node into the slot that find returned.
func (h *table) insert(nodes []node, slot int, id int32) {
	h.slots[slot] = id + 1
	h.used++
	if h.used*2 <= len(h.slots) {
		return
	}
	old := h.slots
	h.slots = make([]int32, len(old)*2)
	mask := len(h.slots) - 1
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := h.slot(nodes[s-1].parent, nodes[s-1].name)
		for h.slots[i] != 0 {
			i = (i + 1) & mask
		}
		h.slots[i] = s
	}
}
