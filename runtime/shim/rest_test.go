//go:build linux

package shim

import (
	"fmt"
	"testing"
)

func TestOnlyUnwrittenPagesOfFilesAreGivenBack(t *testing.T) {
	const smaps = `00400000-0059d000 r-xp 00000000 00:01 1031                 /memfd:layerlab-runtime (deleted)
Size:               1652 kB
Anonymous:             0 kB
0059d000-00800000 r--p 0019d000 00:01 1031                 /memfd:layerlab-runtime (deleted)
Anonymous:             0 kB
00800000-00850000 rw-p 00400000 00:01 1031                 /memfd:layerlab-runtime (deleted)
Anonymous:            80 kB
00850000-00860000 r--p 00450000 00:01 1031                 /lib/of/relocations.so
Anonymous:             4 kB
00860000-00870000 r-xs 00000000 00:01 1032                 /dev/shared
Anonymous:             0 kB
7f0000000000-7f0000010000 r--p 00000000 00:00 0            [vvar]
Anonymous:             0 kB
7f0000010000-7f0000020000 ---p 00000000 00:00 0
Anonymous:             0 kB
`
	if got, want := fmt.Sprintf("%x", programPages(smaps)), "[{400000 19d000} {59d000 263000}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
