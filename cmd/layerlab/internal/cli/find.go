package cli

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/settings"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// filter is what find looks for; a node must meet all of it.
type filter struct {
	pattern, size, kind string
	regex, setuid       bool
	layer               int
}

func (r *run) findCommand() *cobra.Command {
	var c common
	var f filter
	var digests bool
	cmd := &cobra.Command{
		Use: "find IMAGE [PATTERN]", Short: "Find paths of the merged tree by name, size, type, mode or layer",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				f.pattern = args[1]
			}
			return r.find(cmd.Context(), args[0], f, digests, &c)
		},
	}
	c.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.regex, "regex", false, "PATTERN is a regular expression for the whole path, not a file name pattern")
	cmd.Flags().StringVar(&f.size, "size", "", "files of more (+1M), less (-1M) or exactly (1M) that many bytes")
	cmd.Flags().StringVar(&f.kind, "type", "", "f file, d folder, l symbolic link, c and b devices, p pipe")
	cmd.Flags().BoolVar(&f.setuid, "setuid", false, "files that run as their owner or group")
	addLayer(cmd.Flags(), &f.layer, "layer", "paths that layer N wrote")
	cmd.Flags().BoolVar(&digests, "sha256", false, "the digest of each file's content")
	return cmd
}

func (r *run) find(ctx context.Context, image string, f filter, digests bool, c *common) error {
	keep, err := f.compile()
	if err != nil {
		return usageError{err}
	}
	p, err := r.pick(ctx, image, c)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.checkLayer(f.layer); err != nil {
		return err
	}
	return r.nodes(ctx, p, p.tree.Top(), keep, digests, c.json)
}

// compile turns the filter into a predicate.
func (f filter) compile() (func(tree.Node) bool, error) {
	var tests []func(tree.Node) bool
	switch {
	case f.pattern == "":
	case f.regex:
		re, err := regexp.Compile(f.pattern)
		if err != nil {
			return nil, err
		}
		tests = append(tests, func(n tree.Node) bool { return re.MatchString(n.Path()) })
	default:
		pattern := strings.TrimPrefix(f.pattern, "/")
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", f.pattern, err)
		}
		// Like find's -name, but a pattern with a slash is for whole paths.
		whole := strings.Contains(f.pattern, "/")
		tests = append(tests, func(n tree.Node) bool {
			name := n.Name()
			if whole {
				name = n.Path()
			}
			ok, _ := path.Match(pattern, name) // checked above
			return ok
		})
	}
	if f.size != "" {
		test, err := sizeTest(f.size)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	if f.kind != "" {
		kinds := map[string]imagecore.Kind{
			"f": imagecore.File, "d": imagecore.Dir, "l": imagecore.Symlink,
			"c": imagecore.Char, "b": imagecore.Block, "p": imagecore.Fifo,
		}
		kind, ok := kinds[f.kind]
		if !ok {
			return nil, fmt.Errorf("--type %s: one of f d l c b p is needed", f.kind)
		}
		tests = append(tests, func(n tree.Node) bool { return n.Kind() == kind })
	}
	if f.setuid {
		tests = append(tests, func(n tree.Node) bool { return n.Kind() == imagecore.File && n.Attr().Mode&0o6000 != 0 })
	}
	if f.layer >= 0 {
		tests = append(tests, func(n tree.Node) bool { return n.Layer() == f.layer })
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

func sizeTest(text string) (func(tree.Node) bool, error) {
	sign := text[0]
	size, err := settings.ParseSize(strings.TrimLeft(text, "+-"))
	if err != nil {
		return nil, err
	}
	return func(n tree.Node) bool {
		if n.Kind() != imagecore.File {
			return false
		}
		switch sign {
		case '+':
			return n.Size() > size
		case '-':
			return n.Size() < size
		}
		return n.Size() == size
	}, nil
}
