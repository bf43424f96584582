// Package pack writes what imagecore reads: a layer's tar from changes, one
// tar from a merged tree, archives that docker load and OCI tools take, and
// the config and manifest of an image that gained a layer.
//
//	changes → WriteLayer → tar · View → Flatten → tar · images → DockerSave → tar
//
// Everything is deterministic: the same input gives the same bytes, whatever
// the order it comes in and whenever it is written. Headers are USTAR, with
// PAX records only for what USTAR cannot say (long or non-ASCII names, large
// sizes and ids, fractions of seconds, extended attributes); access and change
// times are left out.
package pack
