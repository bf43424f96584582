// Package bundle decides what a container's config.json says. It is pure: an
// image's config, what the creator asked for and facts of the host go in, a
// runtime-spec document comes out.
//
//	v1.ImageConfig + Request + Host + Files → Spec → config.json → shim
//
// All hardening of the containers that the server starts stands here, and
// golden tests hold it: namespaces of their own with an id range of their own,
// Docker's default capabilities, its seccomp profile, masked and read-only
// paths. The launcher does what the document says, no more and no less.
//
// Sources: runtime-spec v1.3 config.md and config-linux.md, image-spec v1.1
// config.md and conversion.md, and how Docker merges an image's config with a
// command line.
package bundle
