// Package engines holds tests that let Docker, containerd and umoci unpack
// random images and compare what they make of them, trees and refusals, with
// the engine lenses of package tree. They need root and those programs, so they
// have a build tag of their own; "make test-engines" installs and runs.
//
//	imagetest.Odd → docker save archives of many images → the engine → its
//	overlayfs mounts, read back → imagetest.CompareFull with the lens's tree
//
// LAYERLAB_STACKS says how many stacks each engine gets, LAYERLAB_SEED with
// which seed they begin. Every engine keeps its data below the test's temporary
// folder, and only processes that a test started are ended, by their id.
package engines
