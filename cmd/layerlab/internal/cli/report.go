package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/embedded"
	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore/survey"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/sandbox"
)

// kept is a survey's sink that keeps the report and drops the indexes.
type kept struct{ report []byte }

func (k *kept) Report(b []byte) error {
	k.report = append([]byte(nil), b...)
	return nil
}

func (k *kept) Index(int, []byte) error { return nil }

// report returns the JSON of what an archive holds, read here or in the
// sandbox: the same bytes.
func (r *run) report(ctx context.Context, image string, c *common) ([]byte, error) {
	lens, err := c.lens()
	if err != nil {
		return nil, err
	}
	o := source.Options{Limits: c.limits.limits(), Data: c.data, Stdin: r.Stdin}
	src, err := source.Locate(ctx, image, o)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var k kept
	switch {
	case c.sandbox && src.File == nil:
		return nil, usageError{fmt.Errorf("--sandbox reads archives in files; %q is a folder or a stored image", image)}
	case c.sandbox:
		err = sandbox.Survey(ctx, src.File, src.Size, sandboxOptions(c, lens), &k)
	default:
		err = src.Survey(ctx, o, lens, &k)
	}
	return k.report, err
}

// sandboxOptions confines a survey as the flags say.
func sandboxOptions(c *common, lens tree.Lens) sandbox.Options {
	o := sandbox.Options{
		Command: sandboxChild,
		Limits:  c.limits.guest(), Lens: lens,
		Memory: int64(c.limits.memory), Time: c.limits.time,
	}
	// Without a folder to cache in, compiling costs a second; no reason to fail.
	if dir, err := os.UserCacheDir(); err == nil {
		o.Cache = filepath.Join(dir, "layerlab", "modules")
	}
	return o
}

const sandboxCommandName = "sandbox-child"

// sandboxChild is this program again, as the sandbox's child.
func sandboxChild() *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	return exec.Command(exe, sandboxCommandName)
}

// sandboxCommand is what the child runs. It reads no settings: its parent has
// told it all.
func (r *run) sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use: sandboxCommandName, Hidden: true, Args: cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			r.began = true
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			module, err := embedded.Module()
			if err != nil {
				return err
			}
			if code := sandbox.Child(module); code != 0 {
				os.Exit(code)
			}
			return nil
		},
	}
}

var _ survey.Sink = (*kept)(nil)
