// Package dockerfile tells an image's history by the lines of a Dockerfile: one
// that is made of the history, or one that lies beside the image.
//
//	history → FromHistory → []imagecore.Line
//	Dockerfile + history → Parse → Match → []imagecore.Line
//
// The history keeps what a builder did in one string an entry (image-spec
// config.md, "created_by"), in two manners. The classic builder, and buildah
// and kaniko with it, write what a shell would run, and everything else as a
// comment of that shell: `/bin/sh -c #(nop) ENV A=b`. BuildKit writes the
// instruction and `# buildkit` after it. Both put the values of ARG before a
// command: `|1 A=b /bin/sh -c make`.
//
// What cannot be known from a history is not made up: the base image of FROM,
// the sources of a classic COPY (it has a digest of them), other stages.
package dockerfile
