// Package compare runs one list of docker command lines against Docker's own
// engine and against layerlab, and compares what they print and how they end:
//
//	testdata/lines.txt ─ docker ─▶ dockerd    ─▶ exit code, output ─ masked ─┐
//	                   └ docker ─▶ layerlab   ─▶ exit code, output ─ masked ─┴▶ same, or listed in testdata/differences.txt
//
// Ids, times, sizes and addresses are masked, since they differ between two runs
// of one engine. The list of differences counts both ways: one that is not
// listed fails, and so does one that is and no longer there.
package compare
