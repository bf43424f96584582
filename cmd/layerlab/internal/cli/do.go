package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/settings"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/command"
	"github.com/layerlab/layerlab/sandbox"
)

// job begins a command's job with what is common to all.
func (c *common) job(name, image string) (command.Job, error) {
	lens, err := c.lens()
	if err != nil {
		return command.Job{}, err
	}
	choice, err := c.choice()
	return command.Job{Name: name, Image: image, Lens: lens, Choice: choice, JSON: c.json}, err
}

// print does a job on images and writes to standard output.
func (r *run) print(ctx context.Context, c *common, j command.Job, images ...string) error {
	return r.do(ctx, c, j, r.out, images...)
}

// do does a job on images, here or in the sandbox: the same bytes go to w. An
// answer "no" is errNo.
func (r *run) do(ctx context.Context, c *common, j command.Job, w io.Writer, images ...string) (err error) {
	if err := j.Check(); err != nil {
		return usageError{err}
	}
	o := source.Options{Limits: c.limits.limits(), Data: c.data, Stdin: r.Stdin, LookupEnv: r.LookupEnv}
	o.Socket, _ = r.LookupEnv(settings.Variable("docker-socket")) // where serve would listen
	var sources []*source.Source
	defer func() {
		for _, s := range sources {
			_ = s.Close() // only read: nothing can be lost
		}
	}()
	for _, image := range images {
		if slices.Contains([]string{"", "docker-daemon:", "store:"}, image) {
			return usageError{fmt.Errorf("%q names no image: IMAGE is a file, an OCI folder, -, docker-daemon:NAME or a stored name", image)}
		}
		s, err := source.Locate(ctx, image, o)
		if err != nil {
			return which(err, len(sources), len(images))
		}
		sources = append(sources, s)
		if c.sandbox && s.File == nil {
			return usageError{fmt.Errorf("--sandbox reads archives in files; %q is a folder or a stored image", image)}
		}
	}
	ok := false
	if c.sandbox {
		ok, err = r.confined(ctx, c, j, sources, w)
	} else {
		var archives []*archive.Archive
		for i, s := range sources {
			if err := s.Read(ctx, o); err != nil {
				return which(err, i, len(sources))
			}
			archives = append(archives, s.Archive)
		}
		ok, err = command.Run(ctx, j, archives, w)
	}
	if e, is := errors.AsType[*imagecore.Error](err); is && e.Code == "terminal" {
		return usageError{err}
	}
	if err == nil && !ok {
		err = errNo
	}
	return err
}

// which says which of two images an error is about.
func which(err error, n, of int) error {
	if of > 1 && n > 0 {
		return fmt.Errorf("the second image: %w", err)
	}
	return err
}

// confined does a job in the sandbox.
func (r *run) confined(ctx context.Context, c *common, j command.Job, sources []*source.Source, w io.Writer) (bool, error) {
	var files []sandbox.File
	for _, s := range sources {
		files = append(files, sandbox.File{File: s.File, Size: s.Size})
	}
	spool, err := source.Temporary()
	if err != nil {
		return false, err
	}
	defer spool.Close()
	return sandbox.Run(ctx, j, files, spool.File, sandboxOptions(c, j.Lens), w)
}

// terminal says whether standard output is one.
func (r *run) terminal() bool {
	f, ok := r.Stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// given is the number of a layer for a job, nil where the flag was not given.
func given(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

// clean turns what a user types into a path of a tree: no slash in front.
func clean(name string) command.Bytes {
	return command.Bytes(strings.TrimPrefix(path.Clean("/"+name), "/"))
}

// simple is a command whose job needs nothing but IMAGE and flags.
func (r *run) simple(use, short string, c *common, fill func(*command.Job) error) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	cmd := one(use, short, func(ctx context.Context, image string) error {
		j, err := c.job(name, image)
		if err == nil && fill != nil {
			err = fill(&j)
		}
		if err != nil {
			return err
		}
		return r.print(ctx, c, j, image)
	})
	c.add(cmd.Flags())
	return cmd
}

// withPath is a command with IMAGE and PATH.
func (r *run) withPath(use, short string, c *common, fill func(*command.Job)) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := c.job(name, args[0])
			if err != nil {
				return err
			}
			j.Path = clean(args[1])
			fill(&j)
			return r.print(cmd.Context(), c, j, args[0])
		},
	}
	c.add(cmd.Flags())
	return cmd
}
