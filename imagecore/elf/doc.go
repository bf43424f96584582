// Package elf tells what an ELF file is: class, machine, how it is linked and
// hardened, which libraries it needs and where an image has them, and of which
// Go modules it was built.
//
//	io.ReaderAt → Read → Binary → Resolve (with the tree) → Binary
//
// It reads tables, never contents: a few kilobytes of a file of any size. The
// files are hostile. Every table is bounded before it is read (the constants of
// bytes.go), an address or offset is checked against the file before it is used,
// and nothing is followed that could lead back to where it came from. What is
// malformed beyond its header leaves out what it would have told.
//
// debug/elf of the standard library says of itself that it is not made for
// hostile files, and needs package os; the tests hold both to one answer.
//
// Sources: elf(5), the gABI chapters 4 and 5, ld.so(8), and package
// debug/buildinfo for the form of Go's own information.
package elf
