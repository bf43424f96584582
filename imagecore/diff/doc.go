// Package diff compares views of merged trees and renders paths and changes as
// the command line and the API print them.
//
//	View × View → Trees → Change → JSON → a line of `layerlab diff --json`
//	Node → Entry → a line of `layerlab tree --json`
//
// The letters are docker diff's: A added, C changed, D deleted. As in Docker, a
// folder whose time alone differs has not changed: writing anything into it
// does that.
package diff
