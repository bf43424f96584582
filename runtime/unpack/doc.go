// Package unpack makes the folders of layers in a process that can do nothing
// else.
//
//	Program.Unpack ─ list of items on a pipe, descriptors of tars ─▶ layerlab-runtime unpack ─▶ folder
//
// Who decides what is made (package tree) and who makes it are two processes:
// the second has the layer's folder for its root, no network and no program to
// start, and seven capabilities. So an error in either, or in the kernel's
// handling of what an archive asks for, ends at the folder's edge, which the
// server alone can reach (DATA is 0700, or any user of the host could run a
// setuid file of an image: CVE-2021-41091).
//
// It has no user namespace, since there a layer could not be owned by the
// image's own ids, hold devices, or be marked for overlayfs.
package unpack
