package show

import (
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore/audit"
)

// Identity is an image with the digests that lead to its own.
type Identity struct {
	Image digest.Digest `json:"image"`
	Steps []audit.Step  `json:"steps"`
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
	}
	return nil
}

func hashed(s audit.Step) string {
	algorithm := "no digest that is known,"
	if s.Claimed.Validate() == nil {
		algorithm = s.Claimed.Algorithm().String()
	}
	switch {
	case s.Literal:
		return fmt.Sprintf("%s of %q", algorithm, s.Hashed)
	case s.What == audit.StepChainID:
		return "the diffID, since nothing is below"
	}
	return fmt.Sprintf("%s of %s, %d bytes", algorithm, s.Hashed, s.Size)
}
