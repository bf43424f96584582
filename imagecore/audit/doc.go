// Package audit says what an image carries in vain, and whether its ids are
// what they claim to be. It reads trees and entries; bytes only where the
// caller gives a function that does.
//
//	*tree.Tree + layers → Waste → Report: bytes that no container will see, each once
//	layers              → Dive → Figures: the same question as the tool dive answers it
//	imagecore.Image     → Identity → []Step: the strings whose digests the ids are
//
// Package ci beneath it holds the rules that a build can be made to fail by.
//
// A layer's bytes are those of its files' contents as the tar has them: holes
// of sparse files, headers and padding are not counted.
package audit
