package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/audit/tarsum"
)

// Identity is an image with the digests that lead to its own.
type Identity struct {
	Image digest.Digest `json:"image"`
	Steps []audit.Step  `json:"steps"`
	V1    []V1          `json:"v1,omitempty"` // base first
}

// V1 is an image of Docker's image specification v1, field by field.
type V1 struct {
	ID     string        `json:"id"`
	Fields []audit.Field `json:"fields"`
}

// Explain writes what the ids are digests of, from the layers' tars up to the
// manifest, and names those that the bytes do not bear out.
func Explain(w io.Writer, ids []Identity) error {
	for _, id := range ids {
		fmt.Fprintf(w, "\nids of %s, from the tars to the manifest\n", Text(id.Image.String()))
		layer, wrong, unread := -1, 0, 0
		for _, s := range id.Steps {
			indent := "  "
			if s.Layer != nil {
				indent = "    "
				if *s.Layer != layer {
					layer = *s.Layer
					fmt.Fprintf(w, "  layer %d\n", layer)
				}
			}
			fmt.Fprintf(w, "%s%-9s %s\n%s          = %s\n", indent, s.What, Text(s.Claimed.String()), indent, hashed(s))
			switch {
			case s.Mismatch():
				wrong++
				fmt.Fprintf(w, "%s          MISMATCH: %s claims it, the bytes give %s\n", indent, s.ClaimedBy, Text(s.Computed.String()))
			case s.What == audit.StepV1ID && s.Computed == "":
				unread++
			case s.Computed == "":
				unread++
				fmt.Fprintf(w, "%s          not compared: the bytes were not read\n", indent)
			}
		}
		fmt.Fprintf(w, "  %d of %d computed anew, ", len(id.Steps)-unread, len(id.Steps))
		if wrong > 0 {
			fmt.Fprintf(w, "%d DO NOT AGREE\n", wrong)
		} else {
			fmt.Fprintln(w, "all agree")
		}
		for i := range id.V1 {
			if err := fields(w, &id.V1[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// fields writes an image of version 1, a line for each field.
func fields(w io.Writer, v *V1) error {
	fmt.Fprintf(w, "\n  image %s of the specification v1\n", Text(v.ID))
	tw := tabwriter.NewWriter(w, 0, 1, 2, ' ', 0)
	for _, f := range v.Fields {
		var compact bytes.Buffer
		if err := json.Compact(&compact, f.Value); err != nil {
			return err
		}
		value := []rune(Text(compact.String()))
		if len(value) > 96 {
			value = append(value[:95], '…')
		}
		fmt.Fprintf(tw, "    %s\t%s\t%s\n", Text(f.Name), string(value), f.Means)
	}
	return tw.Flush()
}

func hashed(s audit.Step) string {
	algorithm := "no digest that is known,"
	if s.Claimed.Validate() == nil {
		algorithm = s.Claimed.Algorithm().String()
	} else if v, _, ok := tarsum.Parse(s.Claimed.String()); ok {
		algorithm = string(v) + ", sha256"
	}
	switch {
	case s.Literal:
		return fmt.Sprintf("%s of %q", algorithm, s.Hashed)
	case s.What == audit.StepChainID:
		return "the diffID, since nothing is below"
	case s.What == audit.StepV1ID:
		return s.Hashed
	case s.Size == 0:
		return fmt.Sprintf("%s of %s", algorithm, s.Hashed)
	}
	return fmt.Sprintf("%s of %s, %d bytes", algorithm, s.Hashed, s.Size)
}
