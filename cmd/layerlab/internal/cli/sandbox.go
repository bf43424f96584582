package cli

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/embedded"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/sandbox"
)

// sandboxOptions confines a survey as the flags say.
func sandboxOptions(c *common, lens tree.Lens) sandbox.Options {
	o := sandbox.Options{
		Command: sandboxChild,
		Limits:  c.limits.guest(), Lens: lens,
		Memory: int64(c.limits.memory), Time: c.limits.time,
	}
	// Without a folder to cache in, compiling costs seconds; no reason to fail.
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
