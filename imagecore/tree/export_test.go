package tree

// Doubted says whether the warnings need the trees of all lenses, and whether
// there are attributes which engines may pass over.
func (t *Tree) Doubted() (doubt, passed bool) { return t.doubt, t.passed }

// Doubt has the warnings come of the trees of all lenses.
func (t *Tree) Doubt() { t.doubt = true }
