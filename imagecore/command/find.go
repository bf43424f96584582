package command

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func (r *run) find() error {
	keep, err := r.Filter.compile(r.Layer)
	if err != nil {
		return err
	}
	p, err := r.pick()
	if err != nil {
		return err
	}
	if err := p.checkLayer(r.Layer); err != nil {
		return err
	}
	return r.nodes(p, p.tree.Top(), keep)
}

// compile turns the filter into a predicate.
func (f Filter) compile(layer *int) (func(tree.Node) bool, error) {
	var tests []func(tree.Node) bool
	add := func(test func(tree.Node) bool) { tests = append(tests, test) }
	if f.Pattern != "" {
		test, err := nameTest(string(f.Pattern), f.Regex)
		if err != nil {
			return nil, err
		}
		add(test)
	}
	if f.Size != "" {
		test, err := sizeTest(f.Size)
		if err != nil {
			return nil, err
		}
		add(test)
	}
	if f.Type != "" {
		kinds := map[string]imagecore.Kind{
			"f": imagecore.File, "d": imagecore.Dir, "l": imagecore.Symlink,
			"c": imagecore.Char, "b": imagecore.Block, "p": imagecore.Fifo,
		}
		kind, ok := kinds[f.Type]
		if !ok {
			return nil, fmt.Errorf("--type %s: one of f d l c b p is needed", f.Type)
		}
		add(func(n tree.Node) bool { return n.Kind() == kind })
	}
	if f.Setuid {
		add(func(n tree.Node) bool { return n.Kind() == imagecore.File && n.Attr().Mode&0o6000 != 0 })
	}
	if layer != nil {
		add(func(n tree.Node) bool { return n.Layer() == *layer })
	}
	return func(n tree.Node) bool {
		for _, test := range tests {
			if !test(n) {
				return false
			}
		}
		return true
	}, nil
}

func nameTest(pattern string, regex bool) (func(tree.Node) bool, error) {
	if regex {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, err
		}
		return func(n tree.Node) bool { return re.MatchString(n.Path()) }, nil
	}
	glob := strings.TrimPrefix(pattern, "/")
	if _, err := path.Match(glob, ""); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	// Like find's -name, but a pattern with a slash is for whole paths.
	whole := strings.Contains(pattern, "/")
	return func(n tree.Node) bool {
		name := n.Name()
		if whole {
			name = n.Path()
		}
		ok, _ := path.Match(glob, name) // checked above
		return ok
	}, nil
}

// sizeTest takes +N, -N or N bytes.
func sizeTest(text string) (func(tree.Node) bool, error) {
	size, err := strconv.ParseInt(strings.TrimLeft(text, "+-"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("--size %s: +N, -N or N bytes are needed", text)
	}
	return func(n tree.Node) bool {
		if n.Kind() != imagecore.File {
			return false
		}
		switch text[0] {
		case '+':
			return n.Size() > size
		case '-':
			return n.Size() < size
		}
		return n.Size() == size
	}, nil
}
