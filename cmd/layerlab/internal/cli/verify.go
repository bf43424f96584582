package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/source"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
)

// verdict is a line of `layerlab verify --json`.
type verdict struct {
	Image   string            `json:"image"`
	Refs    []string          `json:"refs"`
	OK      bool              `json:"ok"`
	Code    string            `json:"code,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	Message string            `json:"message,omitempty"`
}

func (r *run) verifyCommand() *cobra.Command {
	var c common
	cmd := one("verify IMAGE", "Check every digest and diffID against the bytes", func(ctx context.Context, image string) error {
		if c.sandbox {
			return usageError{fmt.Errorf("--sandbox reads archives for inspect; this command reads natively")}
		}
		src, err := r.open(ctx, image, &c)
		if err != nil {
			return err
		}
		defer src.Close()
		images := src.Report().Images
		which := make([]int, 0, len(images))
		for i := range images {
			which = append(which, i)
		}
		if c.ref != "" || c.platform != "" {
			n, err := source.Pick(images, c.choice())
			if err != nil {
				return err
			}
			which = []int{n}
		}
		answer := error(nil)
		for _, n := range which {
			v, err := verify(ctx, src, n)
			if err != nil {
				return err
			}
			if !v.OK {
				answer = errNo
			}
			if err := r.verdict(v, c.json); err != nil {
				return err
			}
		}
		return answer
	})
	c.add(cmd.Flags())
	return cmd
}

// verify checks one image. A mismatch is an answer; other errors are errors.
func verify(ctx context.Context, src *source.Source, n int) (verdict, error) {
	image := &src.Report().Images[n]
	v := verdict{Image: image.ID.String(), Refs: image.Refs, OK: true}
	err := src.Verify(ctx, n, ctx.Err)
	if e, ok := errors.AsType[*imagecore.Error](err); ok && e.Code == "digest-mismatch" {
		v.OK, v.Code, v.Args, v.Message = false, e.Code, e.Args, e.Error()
		return v, nil
	}
	return v, err
}

func (r *run) verdict(v verdict, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(r.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	word := "ok"
	if !v.OK {
		word = diff.Quote(v.Message)
	}
	_, err := fmt.Fprintf(r.out, "%s: %s\n", v.Image, word)
	return err
}
