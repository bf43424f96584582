package audit

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
)

// Names of what a Step is about, in the order in which one follows from the
// other.
const (
	StepDiffID   = "diffID"
	StepDigest   = "digest"   // of the layer as stored
	StepTOC      = "toc"      // of an eStargz or zstd:chunked layer's table of contents
	StepV1ID     = "v1ID"     // of an image of Docker's specification v1
	StepChecksum = "checksum" // of such an image's layer: tarsum, or plain
	StepChainID  = "chainID"  // image-spec v1.1 config.md "Layer ChainID"
	StepImageID  = "imageID"  // digest of the config
	StepManifest = "manifest" // digest of the manifest
)

// Step is one digest of an image and what it is the digest of.
type Step struct {
	What  string `json:"what"`
	Layer *int   `json:"layer,omitempty"` // absent for imageID and manifest
	// Hashed is the string that is hashed, or in words which bytes are.
	Hashed  string `json:"hashed"`
	Literal bool   `json:"literal"` // Hashed is the string itself
	Size    int64  `json:"size"`    // bytes that are hashed
	// Claimed is the digest as ClaimedBy has it, Computed what the bytes give;
	// empty where they were not read.
	Claimed   digest.Digest `json:"claimed"`
	ClaimedBy string        `json:"claimedBy"`
	Computed  digest.Digest `json:"computed,omitempty"`
}

// Mismatch says that the bytes were read and give another digest.
func (s Step) Mismatch() bool { return s.Computed != "" && s.Computed != s.Claimed }

// Bytes are the digests of a layer's bytes, "" where they were not read.
type Bytes struct {
	Tar  digest.Digest // of the uncompressed tar, by the diffID's algorithm
	Blob digest.Digest // of the blob as stored, by its digest's algorithm
	TOC  digest.Digest // of the table of contents of an eStargz or zstd:chunked layer
	// Checksum is of the kind that imagecore.V1 claims.
	Checksum digest.Digest
}

// Identity returns the digests of an image from the layers' tars up to the
// manifest, computed anew from what they are digests of. read has an element
// for each layer, or is nil: then the layers' bytes were not read.
func Identity(img *imagecore.Image, read []Bytes) []Step {
	var steps []Step
	chain := digest.Digest("")
	for i := range img.Layers {
		l := &img.Layers[i]
		var b Bytes
		if i < len(read) {
			b = read[i]
		}
		steps = append(steps, Step{
			What: StepDiffID, Layer: &l.Index, Hashed: "the uncompressed tar", Size: l.TarSize,
			Claimed: l.DiffID, ClaimedBy: "the config", Computed: b.Tar,
		})
		if l.Digest != "" && l.Digest != l.DiffID {
			steps = append(steps, Step{
				What: StepDigest, Layer: &l.Index, Hashed: "the blob as stored", Size: l.Size,
				Claimed: l.Digest, ClaimedBy: "the manifest", Computed: b.Blob,
			})
		}
		if toc := TOCDigest(l); toc != "" {
			steps = append(steps, Step{
				What: StepTOC, Layer: &l.Index, Hashed: "the table of contents", Claimed: toc, ClaimedBy: "the manifest's annotation", Computed: b.TOC,
			})
		}
		if len(img.V1) == len(img.Layers) {
			steps = append(steps, v1Steps(img, i, b)...)
		}
		s := Step{What: StepChainID, Layer: &l.Index, Claimed: l.ChainID, ClaimedBy: "layerlab"}
		if chain == "" {
			chain = l.DiffID
			s.Hashed = "the diffID, since nothing is below"
		} else {
			s.Hashed, s.Literal = chain.String()+" "+l.DiffID.String(), true
			s.Size = int64(len(s.Hashed))
			chain = digest.FromString(s.Hashed)
		}
		s.Computed = chain
		steps = append(steps, s)
	}
	var manifest v1.Manifest
	named := img.Manifest.Digest != "" && json.Unmarshal([]byte(img.Manifest.Raw), &manifest) == nil
	s := Step{
		What: StepImageID, Hashed: "the config", Size: int64(len(img.Config.Raw)),
		Claimed: img.ID, ClaimedBy: "the archive", Computed: digestOf(img.Config.Raw, img.ID),
	}
	if named && manifest.Config.Digest != "" {
		s.Claimed, s.ClaimedBy = manifest.Config.Digest, "the manifest"
		s.Computed = digestOf(img.Config.Raw, s.Claimed)
	}
	steps = append(steps, s)
	if img.Manifest.Digest != "" {
		steps = append(steps, Step{
			What: StepManifest, Hashed: "the manifest", Size: int64(len(img.Manifest.Raw)),
			Claimed: img.Manifest.Digest, ClaimedBy: "the index", Computed: digestOf(img.Manifest.Raw, img.Manifest.Digest),
		})
	}
	return steps
}

// TOCDigest is what a layer's annotations claim of its table of contents, ""
// for nothing.
func TOCDigest(l *imagecore.Layer) digest.Digest {
	for _, name := range []string{
		"containerd.io/snapshot/stargz/toc.digest",
		"io.github.containers.zstd-chunked.manifest-checksum",
		"io.containers.zstd-chunked.manifest-checksum",
	} {
		if v := l.Annotations[name]; v != "" {
			return digest.Digest(v)
		}
	}
	return ""
}

// digestOf hashes a document by the algorithm of its claimed digest, "" where
// there is no document or no such algorithm.
func digestOf(raw string, claimed digest.Digest) digest.Digest {
	if raw == "" || claimed.Validate() != nil {
		return ""
	}
	return claimed.Algorithm().FromString(raw)
}
